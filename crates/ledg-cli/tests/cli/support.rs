//! Running the command, and models to run it on.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use ledg_cost_model::graph::{Attrs, DType, Graph, GraphBuilder, Limits, OpType, ValueId};
use ledg_cost_model::onnx::{WriteOptions, to_onnx};
use tempfile::TempDir;

/// What a run printed, and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A folder of its own, in which the command is run.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Bench { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes a graph as ONNX.
    pub fn onnx(&self, name: &str, graph: &Graph) -> PathBuf {
        self.file(name, to_onnx(graph, &WriteOptions::default()).unwrap())
    }

    /// Runs `ledg-cost` with these arguments, split at spaces.
    pub fn run(&self, args: &str) -> Run {
        self.run_with(args, "")
    }

    /// The same, with a pipe on stdin that yields this.
    pub fn run_with(&self, args: &str, stdin: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledg-cost"));
        command.current_dir(self.path()).args(args.split_whitespace());
        // Plugins of the person who runs the tests are none of theirs.
        command.env_remove("LEDG_PLUGIN_PATH").env("XDG_CONFIG_HOME", self.path().join("config"));
        let output = command.write_stdin(stdin).output().unwrap();
        Run {
            code: output.status.code().expect("no signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs what must succeed without a word on stderr.
    pub fn ok(&self, args: &str) -> String {
        let run = self.run(args);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args}");
        run.stdout
    }

    /// Runs what must fail with that code; every line of stderr is an error, a warning or a note.
    pub fn fails(&self, code: i32, args: &str) -> String {
        let run = self.run(args);
        assert_eq!(run.code, code, "{args}: {run:?}");
        let kinds = ["error: ", "warning: ", "note: "];
        assert!(run.stderr.lines().all(|l| kinds.iter().any(|k| l.starts_with(k))), "{}", run.stderr);
        run.stderr
    }
}

/// A convolution, a ReLU and a sum: three sentences.
pub fn tiny() -> Graph {
    let mut b = GraphBuilder::new("tiny.onnx");
    let x = b.input("x", DType::F32, &[2, 3, 8, 8]);
    let w = b.weight("w", DType::F32, &[3, 3, 3, 3]);
    let conv = b.activation("conv_out", DType::F32, Some(&[2, 3, 8, 8]));
    let attrs = Attrs::new().with("pads", ledg_cost_model::graph::Attr::Ints(vec![1, 1, 1, 1]));
    b.node("conv", OpType::onnx("Conv"), attrs, &[Some(x), Some(w)], &[conv]);
    let relu = unary(&mut b, "relu", OpType::onnx("Relu"), conv);
    let sum = b.activation("sum_out", DType::F32, Some(&[2, 3, 8, 8]));
    b.node("sum", OpType::onnx("Add"), Attrs::new(), &[Some(relu), Some(conv)], &[sum]);
    b.output(sum);
    b.finish().unwrap()
}

/// `n` unary operators in a row, between the values `v0` and `v{n}`.
pub fn chain(n: usize, op: OpType) -> Graph {
    let limits = Limits { max_nodes: u64::MAX, max_values: u64::MAX };
    let mut b = GraphBuilder::new("chain.onnx").with_limits(limits);
    let mut last = b.input("v0", DType::F32, &[2, 3, 8, 8]);
    for i in 1..=n {
        let next = b.activation(format!("v{i}"), DType::F32, Some(&[2, 3, 8, 8]));
        b.node(format!("n{i}"), op.clone(), Attrs::new(), &[Some(last)], &[next]);
        last = next;
    }
    b.output(last);
    b.finish().unwrap()
}

fn unary(b: &mut GraphBuilder, name: &str, op: OpType, x: ValueId) -> ValueId {
    let y = b.activation(format!("{name}_out"), DType::F32, Some(&[2, 3, 8, 8]));
    b.node(name, op, Attrs::new(), &[Some(x)], &[y]);
    y
}

/// Times, shares and the padding they cause are not pinned: predictions change with the weights.
pub fn redacted() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d+(\.\d+)? - \d+(\.\d+)? (s|ms|µs|ns)\b", "[interval]");
    settings.add_filter(r"\b\d+(\.\d+)? (s|ms|µs|ns)\b", "[time]");
    settings.add_filter(r"\b\d+(\.\d+)? %", "[share]");
    settings.add_filter(r"-{3,}", "---");
    settings.add_filter(r" +", " ");
    settings
}
