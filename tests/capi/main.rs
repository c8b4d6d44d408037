//! The C ABI from outside: the header, what the library exports and needs, and every kind of consumer, compiled and run.
//!
//! A compiler of C has to be there. What else is missing on the machine (a C++ compiler, numpy, CMake, pkg-config) skips its
//! test, which then says so.

mod consumers;
mod exports;
mod header;
mod layout;
mod stage;
