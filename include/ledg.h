/*
 * ledg: how long will an operator graph take on a piece of hardware, and how sure is that?
 *
 * The C ABI of libledg.so.1. Generated from the Rust crate ledg-capi by `cargo xtask header`; do not edit.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Calls.     A function that can fail returns a ledg_status: 0 (LEDG_OK) or a negative LEDG_E_*. If its last argument, err, is not
 *            NULL, a failure stores a ledg_error there, with a message; free it with ledg_error_free. Outputs are written on success
 *            only. No function throws, unwinds, aborts or exits; a defect of the library is LEDG_E_PANIC.
 * Handles.   ledg_x_new, ledg_x_load and the like give a handle that the caller owns and frees with the ledg_x_free of its type,
 *            once. Freeing NULL is fine. Handles do not depend on each other: free them in any order.
 * Threads.   A const handle in an argument means: any number of threads may use it at once. A handle that is not const is for one
 *            thread at a time. Models, graphs and platforms never change. There is no global state but the log callback and the
 *            built-in model, which is loaded once. No call leaves a thread behind but two kinds, which may start the tensor library's
 *            workers, one for every core but one, asleep until the process ends: ledg_model_update, and predictions of models with
 *            the paper's readout. CANDLE_NUM_THREADS=1 in the environment prevents it. A sentence that the model was not shipped
 *            with is embedded on one thread, which ends with the call.
 * Strings.   In: ledg_str, UTF-8 with its length, borrowed for the call. Out: views that live as long as their parent, or a
 *            ledg_string to free.
 * Structs.   A struct that begins with struct_size may grow at its end in later versions. Zero it, set struct_size to its sizeof,
 *            set what you need: zero is the default of every field. An old caller works with a new library. A new caller works with
 *            an old library unless it sets a field that the library does not have: that is LEDG_E_STRUCT_SIZE.
 * Units.     Seconds, counts and shares (0 to 1), as doubles. A batch size counts samples.
 * Arguments. NULL where it is not allowed, misaligned pointers, counts beyond limits, malformed UTF-8 and, but for the elements of
 *            constants, numbers that are not finite are errors. That a pointer points to what its type says is the caller's promise.
 * Limits.    65,536 bytes of a name, a path or an origin; 1 MiB of a data sheet; 64 MiB of templates, of a task, a trace or a
 *            reason; 1 GiB of JSON lines; 2 GiB of a bundle in memory; 65,536 inputs, outputs or attributes of a node; 64
 *            dimensions; 1,048,576 elements of a constant or an attribute. Others stand where they can be set or with what they
 *            bound. Pointers have 64 bits: there is no library for other targets.
 * Errors.    Whatever returns a status may say LEDG_E_NULL, LEDG_E_INVALID, LEDG_E_UTF8, LEDG_E_STRUCT_SIZE or LEDG_E_LIMIT of
 *            arguments that it cannot use, and LEDG_E_INTERNAL or LEDG_E_PANIC of a defect of its own. Other codes stand with each
 *            function.
 */

#ifndef LEDG_H
#define LEDG_H

#include <stddef.h>
#include <stdint.h>

/**
 * Major version of the ABI that this header describes. Another major version is another ABI; it is the number in the
 * library's soname.
 */
#define LEDG_ABI_MAJOR 1

/**
 * Minor version of the ABI that this header describes. A library with a higher minor version of the same major version
 * serves every older caller.
 */
#define LEDG_ABI_MINOR 1

/**
 * Success.
 */
#define LEDG_OK 0

/**
 * An argument that must not be NULL is NULL.
 */
#define LEDG_E_NULL -1

/**
 * An argument is out of its range, not finite, misaligned, or contradicts another.
 */
#define LEDG_E_INVALID -2

/**
 * A string is not valid UTF-8.
 */
#define LEDG_E_UTF8 -3

/**
 * A `struct_size` is smaller than ABI 1.0 allows, or larger than this library knows while the unknown part is not zero.
 */
#define LEDG_E_STRUCT_SIZE -4

/**
 * The library does not serve this version of the ABI.
 */
#define LEDG_E_ABI -5

/**
 * A count or size is beyond a limit.
 */
#define LEDG_E_LIMIT -6

/**
 * A file cannot be read or written.
 */
#define LEDG_E_IO -7

/**
 * A text or file is malformed.
 */
#define LEDG_E_PARSE -8

/**
 * A graph breaks a rule of graphs: a cycle, a dangling read, a name used twice, an impossible batch size.
 */
#define LEDG_E_GRAPH -9

/**
 * An operator that is not known. Ask for it to be reported instead if an estimate by tensor sizes will do.
 */
#define LEDG_E_UNKNOWN_OP -10

/**
 * A dynamic dimension is not bound, or a symbol is bound that the model does not have.
 */
#define LEDG_E_SYMBOL -11

/**
 * Hardware that is not known, or contradictory hardware files.
 */
#define LEDG_E_HARDWARE -12

/**
 * Operator templates that do not parse, or that declare what exists.
 */
#define LEDG_E_TEMPLATE -13

/**
 * A model file that is damaged or was made for another version.
 */
#define LEDG_E_MODEL -14

/**
 * An interval of that coverage cannot be given.
 */
#define LEDG_E_INTERVAL -15

/**
 * Measured records that cannot be used or contradict each other.
 */
#define LEDG_E_RECORDS -16

/**
 * The call was cancelled.
 */
#define LEDG_E_CANCELLED -17

/**
 * A defect of the library: an error that should not be possible. Please report it.
 */
#define LEDG_E_INTERNAL -18

/**
 * A defect of the library: a panic, stopped at its border. Please report it. Handles that the call took may be freed
 * but should not be used.
 */
#define LEDG_E_PANIC -19

/**
 * An edit that names what is not there, or cannot be made. Since ABI 1.1.
 */
#define LEDG_E_EDIT -20

/**
 * Level of messages about results that rest on less than usual: a row of a batch that failed, an operator without a shape
 * rule, a shape that a file states wrongly.
 */
#define LEDG_LOG_WARN 1

/**
 * Level of messages about what was done: a graph or a model read, a model calibrated.
 */
#define LEDG_LOG_INFO 2

/**
 * Capability: predictions of whole graphs.
 */
#define LEDG_CAP_PREDICT (1 << 0)

/**
 * Capability: costs by node. A model without a cost by node (another readout) does not have it.
 */
#define LEDG_CAP_NODES (1 << 1)

/**
 * Capability: calibration to measured records.
 */
#define LEDG_CAP_CALIBRATE (1 << 2)

/**
 * Capability: sessions that cost local edits of a graph, since ABI 1.1. A model with another readout than the default's does
 * not have it.
 */
#define LEDG_CAP_DELTA (1 << 3)

/**
 * Capability: training on records as they come, since ABI 1.1: `ledg_model_update`, of schedule models.
 */
#define LEDG_CAP_UPDATE (1 << 4)

/**
 * Capability: ranking schedules, since ABI 1.1. The library has the functions `ledg_schedule_*`, whatever the model.
 */
#define LEDG_CAP_SCHEDULES (1 << 5)

/**
 * Refuse operators that no shape rule knows: the default.
 */
#define LEDG_UNKNOWN_REFUSE 0

/**
 * Keep operators that no shape rule knows, as a plugin's are, which a file is read without. Predictions of such a graph need
 * `LEDG_PREDICT_UNKNOWN`, but for operators that the model has templates of and whose shapes the file declares.
 */
#define LEDG_UNKNOWN_KEEP 1

/**
 * Element type: 32-bit float. Numbers are those of ONNX's `TensorProto.DataType`.
 */
#define LEDG_F32 1

/**
 * Element type: 8-bit unsigned integer.
 */
#define LEDG_U8 2

/**
 * Element type: 8-bit integer.
 */
#define LEDG_I8 3

/**
 * Element type: 16-bit unsigned integer.
 */
#define LEDG_U16 4

/**
 * Element type: 16-bit integer.
 */
#define LEDG_I16 5

/**
 * Element type: 32-bit integer.
 */
#define LEDG_I32 6

/**
 * Element type: 64-bit integer.
 */
#define LEDG_I64 7

/**
 * Element type: string.
 */
#define LEDG_STRING 8

/**
 * Element type: boolean.
 */
#define LEDG_BOOL 9

/**
 * Element type: IEEE half.
 */
#define LEDG_F16 10

/**
 * Element type: 64-bit float.
 */
#define LEDG_F64 11

/**
 * Element type: 32-bit unsigned integer.
 */
#define LEDG_U32 12

/**
 * Element type: 64-bit unsigned integer.
 */
#define LEDG_U64 13

/**
 * Element type: pair of 32-bit floats.
 */
#define LEDG_COMPLEX64 14

/**
 * Element type: pair of 64-bit floats.
 */
#define LEDG_COMPLEX128 15

/**
 * Element type: bfloat16.
 */
#define LEDG_BF16 16

/**
 * Element type: any 8-bit float.
 */
#define LEDG_F8 17

/**
 * Element type: 4-bit unsigned integer.
 */
#define LEDG_U4 21

/**
 * Element type: 4-bit integer.
 */
#define LEDG_I4 22

/**
 * An attribute of one integer; booleans are 0 and 1.
 */
#define LEDG_ATTR_INT 1

/**
 * An attribute of one number.
 */
#define LEDG_ATTR_FLOAT 2

/**
 * An attribute of one string.
 */
#define LEDG_ATTR_STR 3

/**
 * An attribute of integers.
 */
#define LEDG_ATTR_INTS 4

/**
 * An attribute of numbers.
 */
#define LEDG_ATTR_FLOATS 5

/**
 * An attribute of strings.
 */
#define LEDG_ATTR_STRS 6

/**
 * In a list of inputs: an optional input that is left out.
 */
#define LEDG_NO_VALUE 4294967295

/**
 * As a rank: the shape is not known.
 */
#define LEDG_RANK_UNKNOWN 4294967295

/**
 * In `ledg_predict_opts.flags`: estimate operators that no template covers by the sizes of their tensors, and report them in the
 * column `known`, instead of refusing the graph.
 */
#define LEDG_PREDICT_UNKNOWN (1 << 0)

/**
 * In the column `evidence`: the model's training data measured the device. If not in that precision and by that engine, the interval
 * is as wide as on a device that it never measured.
 */
#define LEDG_EVIDENCE_TRAINING (1 << 0)

/**
 * In the column `evidence`: the model was calibrated to records of the platform.
 */
#define LEDG_EVIDENCE_CALIBRATION (1 << 1)

/**
 * In the flags of `ledg_explain`: JSON in place of text, with all nodes and neighbours.
 */
#define LEDG_EXPLAIN_JSON (1 << 0)

/**
 * In the flags of `ledg_explain`: the attention masks as grids, one character for each pair of nodes.
 */
#define LEDG_EXPLAIN_MASKS (1 << 1)

/**
 * Edit: sets the one attribute in `attrs` of the node `node`; the others stay. Since ABI 1.1.
 */
#define LEDG_EDIT_ATTRIBUTE 1

/**
 * Edit: gives the value `value` the shape `dims`. Shapes of other values do not follow: say all that change. Since ABI 1.1.
 */
#define LEDG_EDIT_SHAPE 2

/**
 * Edit: replaces the operator (`domain`, `op`), `attrs` and `inputs` of the node `node`; its name and outputs stay. Since ABI 1.1.
 */
#define LEDG_EDIT_REPLACE 3

/**
 * Edit: adds the node `node` of the operator (`domain`, `op`) with `attrs` and `inputs`. Its one output is the new value
 * `value` of the type `dtype` and the shape `dims`, which takes over the readers of the value `replaces`, and its place
 * among the graph's outputs, if that is not empty. Since ABI 1.1.
 */
#define LEDG_EDIT_INSERT 4

/**
 * Edit: removes the node `node`, which has one output; who read that reads the node's first input instead. Since ABI 1.1.
 */
#define LEDG_EDIT_REMOVE 5

/**
 * A graph that is being built: values are declared, nodes read and produce them. For one thread at a time. A call that fails
 * leaves it as it was.
 */
typedef struct ledg_builder ledg_builder;

/**
 * A flag that ends predictions early. Any thread may set it while others are inside `ledg_predict`.
 */
typedef struct ledg_cancel ledg_cancel;

/**
 * Why a call failed: a status and a message that names file, node, field or argument and says what to do.
 *
 * Every function that can fail takes `ledg_error **err` last. It may be NULL. If it is not and the call fails, an error is
 * stored there, owned by the caller, to be freed with `ledg_error_free`; on success nothing is stored. An error that is
 * there already is overwritten without being freed, so start from NULL. Immutable; any thread may read or free it.
 */
typedef struct ledg_error ledg_error;

/**
 * A graph of operators with shapes. Immutable: any number of threads may use it at once. What a model works out about it is
 * kept with it, without locks, for the first four models that it is used with (those that share weights and templates
 * count as one).
 */
typedef struct ledg_graph ledg_graph;

/**
 * A platform: a device and how it runs graphs. Immutable; any number of threads may use it at once. It does not need the
 * registry that it came from.
 */
typedef struct ledg_hw ledg_hw;

/**
 * A cost model. Immutable: any number of threads may use it at once, without locks. Calibration and plugins give a new
 * one that shares the weights.
 */
typedef struct ledg_model ledg_model;

/**
 * What the nodes of a graph cost on a platform. Rows are what is executed: fused nodes make one row, views and what folds into
 * constants make none; each row names the graph's nodes that it stands for. Immutable; any number of threads may use it.
 */
typedef struct ledg_node_costs ledg_node_costs;

/**
 * Measured records: what graphs took on platforms. For one thread at a time.
 */
typedef struct ledg_records ledg_records;

/**
 * Hardware by name: the built-in data sheets and those of plugins, with the plugins' operator templates. While it is
 * only read any number of threads may use it; adding needs it for one thread alone.
 */
typedef struct ledg_registry ledg_registry;

/**
 * A model that ranks schedules of one task. Immutable: any number of threads may use it at once. Updates give a new one.
 * A library whose models have `LEDG_CAP_SCHEDULES` has these functions. Since ABI 1.1.
 */
typedef struct ledg_schedule_model ledg_schedule_model;

/**
 * A graph on fixed platforms, with all that a model has worked out about it, so that a candidate costs what its edits can
 * influence and no more. For one thread at a time; it does not need the model, graph and platforms that it was made from.
 * Since ABI 1.1.
 */
typedef struct ledg_session ledg_session;

/**
 * Text that the caller owns, to be freed with `ledg_string_free`. Immutable; any thread may read or free it.
 */
typedef struct ledg_string ledg_string;

/**
 * How a call went: 0 is success, errors are negative. An integer, never an enumeration: later versions may add codes, so
 * treat one you do not know as an error.
 */
typedef int32_t ledg_status;

/**
 * UTF-8 text with its length, not necessarily NUL-terminated. This struct never changes.
 *
 * As an argument it is borrowed for the call; `data` may be NULL if `len` is 0. As a result it is a view on the object
 * named in the function's description, lives as long as that object and is never freed; such views are NUL-terminated,
 * the terminator not counted, where the description says so.
 */
typedef struct ledg_str {
    /**
     * First byte.
     */
    const char *data;
    /**
     * Number of bytes.
     */
    size_t len;
} ledg_str;

/**
 * Takes a message. `message` is valid during the call. Called from any thread that is inside a function of the library, at
 * most once at a time for each thread; must not throw, jump or unwind. It may call functions of this library.
 */
typedef void (*ledg_log_fn)(void *user, int32_t level, struct ledg_str message);

/**
 * What a model is. Set `struct_size`, zero the rest.
 */
typedef struct ledg_model_info {
    /**
     * `sizeof(ledg_model_info)`.
     */
    size_t struct_size;
    /**
     * What the model can do: `LEDG_CAP_*`.
     */
    uint64_t capabilities;
    /**
     * Models in the ensemble.
     */
    uint64_t members;
    /**
     * Graphs in the training data.
     */
    uint64_t graphs;
    /**
     * Measurements in the training data.
     */
    uint64_t records;
    /**
     * Platforms in the training data.
     */
    uint64_t platforms;
    /**
     * Platforms that the model was calibrated to.
     */
    uint64_t calibrated_platforms;
    /**
     * Date of the training, ISO 8601, NUL-terminated. A view that lives as long as the model.
     */
    struct ledg_str date;
} ledg_model_info;

/**
 * How to read a graph. Set `struct_size`, zero the rest; zero is the default of every field.
 */
typedef struct ledg_graph_opts {
    /**
     * `sizeof(ledg_graph_opts)`.
     */
    size_t struct_size;
    /**
     * Names of dynamic dimensions to bind, as the ONNX file has them (`batch`) or as `input.axis` (`ids.0`).
     */
    const struct ledg_str *symbols;
    /**
     * Their sizes, at least 1.
     */
    const uint64_t *symbol_sizes;
    /**
     * Number of both, at most 65,536.
     */
    size_t n_symbols;
    /**
     * `LEDG_UNKNOWN_REFUSE` or `LEDG_UNKNOWN_KEEP`.
     */
    uint32_t unknown;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * Most nodes, up to 16,777,216; 0 means 50,000.
     */
    uint64_t max_nodes;
    /**
     * Most values, up to 16,777,216; 0 means 400,000.
     */
    uint64_t max_values;
    /**
     * Most bytes of the file or text, weights included; 0 means 16 GiB for ONNX and 512 MiB for JSON.
     */
    uint64_t max_bytes;
} ledg_graph_opts;

/**
 * Bounds on a graph that is built. Set `struct_size`, zero the rest; zero is the default of every field.
 */
typedef struct ledg_builder_opts {
    /**
     * `sizeof(ledg_builder_opts)`.
     */
    size_t struct_size;
    /**
     * Most nodes, up to 16,777,216; 0 means 50,000.
     */
    uint64_t max_nodes;
    /**
     * Most values, up to 16,777,216; 0 means 400,000.
     */
    uint64_t max_values;
} ledg_builder_opts;

/**
 * A tensor that a node produces. This struct never changes.
 */
typedef struct ledg_tensor {
    /**
     * Name, unique in the graph.
     */
    struct ledg_str name;
    /**
     * Sizes of its dimensions, outermost first.
     */
    const uint64_t *dims;
    /**
     * Number of dimensions; `LEDG_RANK_UNKNOWN` for a shape that is not known.
     */
    size_t rank;
    /**
     * Element type, such as `LEDG_F32`.
     */
    int32_t dtype;
    /**
     * Zero.
     */
    int32_t reserved;
} ledg_tensor;

/**
 * An attribute of a node. The one of `ints`, `floats` and `strs` that `kind` names holds `len` elements, one for the kinds of
 * one. This struct never changes.
 */
typedef struct ledg_attr {
    /**
     * Name, unique in the node.
     */
    struct ledg_str name;
    /**
     * Elements of `LEDG_ATTR_INT` and `LEDG_ATTR_INTS`.
     */
    const int64_t *ints;
    /**
     * Elements of `LEDG_ATTR_FLOAT` and `LEDG_ATTR_FLOATS`; finite.
     */
    const double *floats;
    /**
     * Elements of `LEDG_ATTR_STR` and `LEDG_ATTR_STRS`.
     */
    const struct ledg_str *strs;
    /**
     * Number of elements.
     */
    size_t len;
    /**
     * `LEDG_ATTR_*`.
     */
    int32_t kind;
    /**
     * Zero.
     */
    int32_t reserved;
} ledg_attr;

/**
 * A node. Set `struct_size`, zero what is not needed.
 */
typedef struct ledg_op {
    /**
     * `sizeof(ledg_op)`.
     */
    size_t struct_size;
    /**
     * Domain of the operator; empty for ONNX's own.
     */
    struct ledg_str domain;
    /**
     * Operator, such as `Conv`.
     */
    struct ledg_str kind;
    /**
     * Name of the node, unique in the graph.
     */
    struct ledg_str name;
    /**
     * Values read, in the operator's order; `LEDG_NO_VALUE` for an optional one that is left out.
     */
    const uint32_t *inputs;
    /**
     * Number of inputs.
     */
    size_t n_inputs;
    /**
     * Values produced, in the operator's order.
     */
    const struct ledg_tensor *outputs;
    /**
     * Number of outputs, at least 1.
     */
    size_t n_outputs;
    /**
     * Attributes.
     */
    const struct ledg_attr *attrs;
    /**
     * Number of attributes.
     */
    size_t n_attrs;
} ledg_op;

/**
 * The questions of a batch: `n` rows, each a graph on a platform at a batch size. Set `struct_size`, zero the rest.
 */
typedef struct ledg_batch {
    /**
     * `sizeof(ledg_batch)`.
     */
    size_t struct_size;
    /**
     * Number of rows, at most 16,777,216.
     */
    size_t n;
    /**
     * One graph for all rows, or one for each. The same graph in many rows is worked out once.
     */
    const struct ledg_graph *const *graphs;
    /**
     * 1 or `n`.
     */
    size_t n_graphs;
    /**
     * One platform for all rows, or one for each.
     */
    const struct ledg_hw *const *hw;
    /**
     * 1 or `n`.
     */
    size_t n_hw;
    /**
     * One batch size for all rows, or one for each, at least 1; NULL for each graph's own.
     */
    const uint64_t *batch_sizes;
    /**
     * 0, 1 or `n`.
     */
    size_t n_batch_sizes;
} ledg_batch;

/**
 * How to predict. Set `struct_size`, zero the rest; zero is the default of every field.
 */
typedef struct ledg_predict_opts {
    /**
     * `sizeof(ledg_predict_opts)`.
     */
    size_t struct_size;
    /**
     * Coverage of the interval, strictly between 0 and 1; 0 means 0.9.
     */
    double coverage;
    /**
     * Threads that share the rows' graphs, at most 1024; 0 means 1. They are started for the call and end with it; the
     * results do not depend on their number.
     */
    uint32_t threads;
    /**
     * `LEDG_PREDICT_*`.
     */
    uint32_t flags;
    /**
     * Ends the call early when set; may be NULL.
     */
    const struct ledg_cancel *cancel;
} ledg_predict_opts;

/**
 * Where the answers go: each column is NULL, for not wanted, or has room for `len` elements. Set `struct_size`, zero the rest.
 */
typedef struct ledg_columns {
    /**
     * `sizeof(ledg_columns)`.
     */
    size_t struct_size;
    /**
     * Elements that every column has room for, at least `n` of the batch.
     */
    size_t len;
    /**
     * Expected latency of one execution of the whole batch, seconds.
     */
    double *latency_s;
    /**
     * Lower end of the interval, seconds.
     */
    double *lo_s;
    /**
     * Upper end of the interval, seconds.
     */
    double *hi_s;
    /**
     * Share of the estimate that comes from operators that a template covers, 0 to 1.
     */
    double *known;
    /**
     * How much the models of the ensemble disagree: standard deviation of their ln latencies.
     */
    double *spread;
    /**
     * What the estimate rests on besides the data sheet: `LEDG_EVIDENCE_*`; 0 for a row that failed.
     */
    uint8_t *evidence;
    /**
     * How each row went. A row that failed has NaN in the columns of numbers.
     */
    ledg_status *status;
} ledg_columns;

/**
 * Where costs by node go: each column is NULL, for not wanted, or has room for `len` elements. Set `struct_size`, zero the rest.
 */
typedef struct ledg_node_columns {
    /**
     * `sizeof(ledg_node_columns)`.
     */
    size_t struct_size;
    /**
     * Elements that every column has room for, at least the number of rows.
     */
    size_t len;
    /**
     * Seconds; the sum over all rows is the latency of the graph.
     */
    double *latency_s;
    /**
     * Of these, seconds bound by arithmetic.
     */
    double *compute_s;
    /**
     * Seconds the cores spend on moving elements.
     */
    double *issue_s;
    /**
     * Seconds bound by memory traffic.
     */
    double *memory_s;
    /**
     * Seconds to start the operator.
     */
    double *launch_s;
    /**
     * 1 where a template covers the operator, else 0.
     */
    uint8_t *known;
} ledg_node_columns;

/**
 * One change of a graph. Nodes and values are named as in the graph, or as earlier edits of the same candidate named what
 * they added. Set `kind` and what it asks for, zero the rest. This struct never changes. Since ABI 1.1.
 */
typedef struct ledg_edit {
    /**
     * `LEDG_EDIT_*`.
     */
    int32_t kind;
    /**
     * Element type of what is inserted, such as `LEDG_F32`.
     */
    int32_t dtype;
    /**
     * Name of a node.
     */
    struct ledg_str node;
    /**
     * Name of a value.
     */
    struct ledg_str value;
    /**
     * Name of the value whose readers what is inserted takes over; empty for none.
     */
    struct ledg_str replaces;
    /**
     * Domain of the operator; empty for ONNX's own.
     */
    struct ledg_str domain;
    /**
     * Operator, such as `Conv`.
     */
    struct ledg_str op;
    /**
     * Attributes.
     */
    const struct ledg_attr *attrs;
    /**
     * Number of attributes.
     */
    size_t n_attrs;
    /**
     * Names of the values read, in the operator's order; an empty name for an optional one that is left out. When a node is
     * replaced, NULL leaves its inputs as they are.
     */
    const struct ledg_str *inputs;
    /**
     * Number of inputs.
     */
    size_t n_inputs;
    /**
     * Sizes of the dimensions, outermost first, at batch 1.
     */
    const uint64_t *dims;
    /**
     * Number of dimensions.
     */
    size_t rank;
    /**
     * Zero.
     */
    uint64_t reserved;
} ledg_edit;

/**
 * A candidate: edits of a session's graph, applied in order; none of them is the graph as it stands. This struct never
 * changes.
 */
typedef struct ledg_candidate {
    /**
     * The edits.
     */
    const struct ledg_edit *edits;
    /**
     * Number of edits, at most 4,096.
     */
    size_t n_edits;
} ledg_candidate;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The ABI version of the library that is loaded: `major << 16 | minor`.
 */
uint32_t ledg_abi_version(void);

/**
 * Whether the library that is loaded serves a caller compiled with a header of that version. Call it once with
 * `LEDG_ABI_MAJOR` and `LEDG_ABI_MINOR`.
 *
 * Returns `LEDG_OK`, or `LEDG_E_ABI` if the major version differs or the library's minor version is lower.
 */
ledg_status ledg_abi_check(uint32_t major,
                           uint32_t minor);

/**
 * The version of the library, such as `0.1.0`. Static; never free it.
 */
struct ledg_str ledg_version(void);

/**
 * The name of a status code, such as `LEDG_E_UTF8`; `LEDG_E_UNKNOWN` for a code that this library does not have. Static and
 * NUL-terminated; never free it.
 */
struct ledg_str ledg_status_name(ledg_status status);

/**
 * The text, NUL-terminated; empty for NULL. A view that lives as long as the string.
 */
struct ledg_str ledg_string_view(const struct ledg_string *string);

/**
 * Frees a string. NULL is fine.
 */
void ledg_string_free(struct ledg_string *string);

/**
 * The status of an error, the same that the call returned; `LEDG_OK` for NULL.
 */
ledg_status ledg_error_code(const struct ledg_error *error);

/**
 * The message of an error, in English, NUL-terminated; empty for NULL. A view that lives as long as the error.
 */
struct ledg_str ledg_error_message(const struct ledg_error *error);

/**
 * Frees an error. NULL is fine.
 */
void ledg_error_free(struct ledg_error *error);

/**
 * Sets the callback for messages up to `max_level`, for the whole process; NULL, the default, is silence. `user` is handed
 * to the callback as it is and must be usable from any thread. Calls already under way in other threads may
 * finish with the callback that was set before, so its user data must live until they return. The library never writes
 * to standard output, and to standard error only the text of a defect of its own that ends in `LEDG_E_PANIC`.
 */
void ledg_set_log(ledg_log_fn callback,
                  void *user,
                  int32_t max_level);

/**
 * Makes a flag that is not set. The caller owns `*out`; free it with `ledg_cancel_free` when no call uses it any more.
 */
ledg_status ledg_cancel_new(struct ledg_cancel **out,
                            struct ledg_error **err);

/**
 * Sets the flag: calls that were given it return `LEDG_E_CANCELLED` within the time of 64 predictions, a session's within that of
 * one candidate on all its platforms, and calls that are given it later at once. NULL is fine. Safe from any thread and from a
 * signal handler.
 */
void ledg_cancel_request(const struct ledg_cancel *cancel);

/**
 * Frees a flag. NULL is fine.
 */
void ledg_cancel_free(struct ledg_cancel *cancel);

/**
 * Makes a registry that holds the built-in hardware. The caller owns `*out`; free it with `ledg_registry_free`.
 */
ledg_status ledg_registry_new(struct ledg_registry **out,
                              struct ledg_error **err);

/**
 * Adds a plugin's folder: `hardware/` with data sheets (`*.toml`, subfolders included) and `templates/` with operator
 * templates (`*.toml`), either of which may be missing; a folder with neither is taken for a folder of data sheets. All of it
 * is added or, on an error, nothing. A plugin adds names and overrides none. Operator templates take effect in models
 * made by `ledg_model_with_plugins`.
 *
 * Errors: `LEDG_E_IO` for what cannot be read and for a folder or a `plugin.toml` that is no plugin's, `LEDG_E_PARSE`,
 * `LEDG_E_HARDWARE` and `LEDG_E_TEMPLATE` for files that are malformed, contradict themselves, or declare what exists.
 */
ledg_status ledg_registry_add_dir(struct ledg_registry *registry,
                                  struct ledg_str path,
                                  struct ledg_error **err);

/**
 * Adds the plugins that the environment variable `LEDG_PLUGIN_PATH` names (folders, separated as in `PATH`; each is a plugin or
 * holds plugins), then those of the user's folder (`ledg/plugins` in the folder of configurations, `~/.config` on most
 * systems). None is found unless this is called. All of them are added or, on an error, none; a plugin that was added
 * before is not added again. Since ABI 1.1.
 *
 * Errors: as `ledg_registry_add_dir`.
 */
ledg_status ledg_registry_add_found(struct ledg_registry *registry,
                                    struct ledg_error **err);

/**
 * Adds one hardware file's text: a device's data sheet or a list of runtimes. `origin` names it in messages.
 *
 * Errors: `LEDG_E_PARSE` if it is malformed, `LEDG_E_HARDWARE` if it contradicts itself or declares what exists.
 */
ledg_status ledg_registry_add_toml(struct ledg_registry *registry,
                                   struct ledg_str origin,
                                   struct ledg_str text,
                                   struct ledg_error **err);

/**
 * Adds one template file's text. `origin` names it in messages. Templates take effect in models made by
 * `ledg_model_with_plugins`.
 *
 * Errors: `LEDG_E_TEMPLATE` if it is malformed or declares what exists.
 */
ledg_status ledg_registry_add_templates(struct ledg_registry *registry,
                                        struct ledg_str origin,
                                        struct ledg_str text,
                                        struct ledg_error **err);

/**
 * Number of devices; 0 for NULL.
 */
size_t ledg_registry_count(const struct ledg_registry *registry);

/**
 * Name of a device, in alphabetical order, NUL-terminated; empty for NULL and beyond the last. A view that lives until the
 * registry is added to or freed.
 */
struct ledg_str ledg_registry_name(const struct ledg_registry *registry,
                                   size_t index);

/**
 * Finds a platform by `DEVICE[:RUNTIME]`: `rtx4090`, `rtx4090:amp`, `rtx4090:amp/nhwc/dynamo/pt2.4.0`. `DEVICE` is a name, an
 * alias or the path of a `.toml` file; what `RUNTIME` leaves out comes from the device's default. A name that is not known
 * gets the nearest ones in the message. The caller owns `*out`; free it with `ledg_hw_free`.
 *
 * Errors: `LEDG_E_HARDWARE` for what is not known; for a file also `LEDG_E_IO` and `LEDG_E_PARSE`.
 */
ledg_status ledg_registry_get(const struct ledg_registry *registry,
                              struct ledg_str spec,
                              struct ledg_hw **out,
                              struct ledg_error **err);

/**
 * Frees a registry. NULL is fine. Platforms that came from it stay valid.
 */
void ledg_registry_free(struct ledg_registry *registry);

/**
 * Makes a platform from a data sheet's text without adding it to a registry. `registry` holds the runtimes that the sheet may
 * name; NULL means the built-in ones. `runtime` is what may stand behind the colon in `ledg_registry_get`; empty means the
 * sheet's default. Its name and aliases must be new to the registry, also where it is a changed copy of a sheet that is there. The
 * caller owns `*out`; free it with `ledg_hw_free`.
 *
 * Errors: `LEDG_E_PARSE` if it is malformed, `LEDG_E_HARDWARE` if it contradicts itself, has the name of a device that is there or
 * names a runtime that is not known.
 */
ledg_status ledg_hw_from_toml(const struct ledg_registry *registry,
                              struct ledg_str text,
                              struct ledg_str runtime,
                              struct ledg_hw **out,
                              struct ledg_error **err);

/**
 * The full name of a platform, such as `nvidia-rtx-4090:amp/nchw/eager/pt2.4.0`, NUL-terminated; empty for NULL. A view that
 * lives as long as the platform.
 */
struct ledg_str ledg_hw_name(const struct ledg_hw *hw);

/**
 * Frees a platform. NULL is fine.
 */
void ledg_hw_free(struct ledg_hw *hw);

/**
 * Gives the model that is compiled into the library. It is loaded once for the process, by the first call; every call gives a
 * handle of its own. The caller owns `*out`; free it with `ledg_model_free`.
 */
ledg_status ledg_model_default(struct ledg_model **out,
                               struct ledg_error **err);

/**
 * Loads a model's bundle from a file. A file that is damaged or was made for other templates, features or another
 * encoder is refused. The caller owns `*out`; free it with `ledg_model_free`.
 *
 * Errors: `LEDG_E_IO`, `LEDG_E_MODEL`.
 */
ledg_status ledg_model_load(struct ledg_str path,
                            struct ledg_model **out,
                            struct ledg_error **err);

/**
 * Loads a model's bundle from memory, which may be freed afterwards. Else as `ledg_model_load`.
 */
ledg_status ledg_model_load_bytes(const uint8_t *data,
                                  size_t len,
                                  struct ledg_model **out,
                                  struct ledg_error **err);

/**
 * Saves a model as a bundle, its calibration included and plugins' templates not. The file appears complete or not at all.
 *
 * Errors: `LEDG_E_IO`.
 */
ledg_status ledg_model_save(const struct ledg_model *model,
                            struct ledg_str path,
                            struct ledg_error **err);

/**
 * Gives a new model that also knows the operators of the registry's plugins. The caller owns `*out`; free it with
 * `ledg_model_free`; the given model stays as it is.
 *
 * Errors: `LEDG_E_TEMPLATE` for templates that contradict those of the model.
 */
ledg_status ledg_model_with_plugins(const struct ledg_model *model,
                                    const struct ledg_registry *registry,
                                    struct ledg_model **out,
                                    struct ledg_error **err);

/**
 * Says what a model is. `info->struct_size` must be set; what an older library does not know stays zero.
 */
ledg_status ledg_model_get_info(const struct ledg_model *model,
                                struct ledg_model_info *info,
                                struct ledg_error **err);

/**
 * Frees a model. NULL is fine. Graphs that were used with it stay valid.
 */
void ledg_model_free(struct ledg_model *model);

/**
 * Reads a graph from the bytes of an ONNX model, with or without weights; the bytes may be freed afterwards. `opts` may be
 * NULL. The caller owns `*out`; free it with `ledg_graph_free`.
 *
 * Errors: `LEDG_E_PARSE` if it is malformed, `LEDG_E_UNKNOWN_OP`, `LEDG_E_SYMBOL` for a dynamic dimension that is not bound
 * or a symbol that is not there, `LEDG_E_GRAPH` for a cycle and the like, `LEDG_E_LIMIT` beyond the limits of `opts`.
 */
ledg_status ledg_graph_from_onnx(struct ledg_str name,
                                 const uint8_t *data,
                                 size_t len,
                                 const struct ledg_graph_opts *opts,
                                 struct ledg_graph **out,
                                 struct ledg_error **err);

/**
 * Reads a graph from an ONNX file; weights, in the file or beside it, are not read. Else as `ledg_graph_from_onnx`.
 *
 * Errors: also `LEDG_E_IO`.
 */
ledg_status ledg_graph_from_onnx_file(struct ledg_str path,
                                      const struct ledg_graph_opts *opts,
                                      struct ledg_graph **out,
                                      struct ledg_error **err);

/**
 * Reads a graph from ledg's JSON, version 1 of the wire format. Symbols cannot be bound: sizes are fixed. Else as
 * `ledg_graph_from_onnx`.
 */
ledg_status ledg_graph_from_json(struct ledg_str text,
                                 const struct ledg_graph_opts *opts,
                                 struct ledg_graph **out,
                                 struct ledg_error **err);

/**
 * Writes a graph as JSON, one line. The caller owns `*out`; free it with `ledg_string_free`.
 */
ledg_status ledg_graph_to_json(const struct ledg_graph *graph,
                               struct ledg_string **out,
                               struct ledg_error **err);

/**
 * Gives a new graph at another batch size: dimension 0 of the inputs, followed through every node. Predictions do not need it;
 * they take batch sizes. The caller owns `*out`; free it with `ledg_graph_free`.
 *
 * Errors: `LEDG_E_GRAPH` if the graph cannot have that batch size; 0 is none.
 */
ledg_status ledg_graph_with_batch(const struct ledg_graph *graph,
                                  uint64_t batch,
                                  struct ledg_graph **out,
                                  struct ledg_error **err);

/**
 * Number of nodes; 0 for NULL.
 */
size_t ledg_graph_node_count(const struct ledg_graph *graph);

/**
 * Name of a node, in topological order; not NUL-terminated; empty for NULL and beyond the last. A view that lives as long as
 * the graph.
 */
struct ledg_str ledg_graph_node_name(const struct ledg_graph *graph,
                                     size_t node);

/**
 * Name of a graph, NUL-terminated; empty for NULL. A view that lives as long as the graph.
 */
struct ledg_str ledg_graph_name(const struct ledg_graph *graph);

/**
 * Writes the 32 bytes (SHA-256) that identify what a graph computes: operators, attributes, types, shapes and edges. Names do
 * not count.
 */
ledg_status ledg_graph_hash(const struct ledg_graph *graph,
                            uint8_t *out32,
                            struct ledg_error **err);

/**
 * Says how much of a graph the model knows: the share of the nodes that cost something which templates cover, 0 to 1, and
 * the number of those that none covers. Either output may be NULL.
 *
 * Errors: `LEDG_E_GRAPH` and `LEDG_E_TEMPLATE` for a graph that the model cannot describe.
 */
ledg_status ledg_graph_coverage(const struct ledg_model *model,
                                const struct ledg_graph *graph,
                                double *share,
                                size_t *n_unknown,
                                struct ledg_error **err);

/**
 * Frees a graph. NULL is fine.
 */
void ledg_graph_free(struct ledg_graph *graph);

/**
 * Makes a builder of a graph of that name. `opts` may be NULL. The caller owns `*out`; free it with `ledg_builder_free`.
 */
ledg_status ledg_builder_new(struct ledg_str graph_name,
                             const struct ledg_builder_opts *opts,
                             struct ledg_builder **out,
                             struct ledg_error **err);

/**
 * Declares an input of the graph and writes its number to `*id`. Dimension 0 is the batch's where all inputs agree on it.
 */
ledg_status ledg_builder_input(struct ledg_builder *builder,
                               struct ledg_str name,
                               int32_t dtype,
                               const uint64_t *dims,
                               size_t rank,
                               uint32_t *id,
                               struct ledg_error **err);

/**
 * Declares a learned parameter and writes its number to `*id`. Its data is never needed.
 */
ledg_status ledg_builder_weight(struct ledg_builder *builder,
                                struct ledg_str name,
                                int32_t dtype,
                                const uint64_t *dims,
                                size_t rank,
                                uint32_t *id,
                                struct ledg_error **err);

/**
 * Declares a constant that is part of what the graph computes, such as a shape, an axis or a scalar, and writes its number to
 * `*id`. Its elements are `ints` or `floats`, at most one of them not NULL, `len` of them, which is the product of `dims` and
 * at most 1,048,576; with neither, only its shape is known and `len` is 0.
 */
ledg_status ledg_builder_const(struct ledg_builder *builder,
                               struct ledg_str name,
                               int32_t dtype,
                               const uint64_t *dims,
                               size_t rank,
                               const int64_t *ints,
                               const double *floats,
                               size_t len,
                               uint32_t *id,
                               struct ledg_error **err);

/**
 * Adds a node and writes the numbers of its outputs to `output_ids`, which has room for `op->n_outputs`. Nodes may be added
 * in any order as far as the values they read are declared.
 */
ledg_status ledg_builder_op(struct ledg_builder *builder,
                            const struct ledg_op *op,
                            uint32_t *output_ids,
                            struct ledg_error **err);

/**
 * Marks a value as an output of the graph.
 */
ledg_status ledg_builder_output(struct ledg_builder *builder, uint32_t id, struct ledg_error **err);

/**
 * Checks what was built and gives it as a graph. The builder stays as it is, so that variants can be built on. The caller owns
 * `*out`; free it with `ledg_graph_free`.
 *
 * A graph without an output is a fragment: all of its nodes count.
 *
 * Errors: `LEDG_E_GRAPH` for a cycle, a value that nothing makes, and the like.
 */
ledg_status ledg_builder_finish(const struct ledg_builder *builder,
                                struct ledg_graph **out,
                                struct ledg_error **err);

/**
 * Frees a builder. NULL is fine. Graphs that it gave stay valid.
 */
void ledg_builder_free(struct ledg_builder *builder);

/**
 * Predicts latencies. `opts` may be NULL.
 *
 * A row that cannot be answered fails alone: the call returns `LEDG_OK`, the row's `status` says why not, its numbers are NaN,
 * and the log callback gets the message. When the call as a whole fails, which it does for arguments it cannot use and
 * when cancelled, no column is touched. The answers do not depend on what else is in the batch: a row has the bits that it
 * has alone.
 *
 * Errors: of the call `LEDG_E_INTERVAL` for a coverage that is none, and `LEDG_E_CANCELLED`; of a row `LEDG_E_UNKNOWN_OP`,
 * `LEDG_E_GRAPH` and `LEDG_E_TEMPLATE` for what the model cannot describe or a batch size that cannot be, `LEDG_E_HARDWARE` for a
 * figure that the data sheet lacks, `LEDG_E_INTERVAL` for a coverage closer to 1 than the model's calibration reaches.
 */
ledg_status ledg_predict(const struct ledg_model *model,
                         const struct ledg_batch *batch,
                         const struct ledg_predict_opts *opts,
                         const struct ledg_columns *columns,
                         struct ledg_error **err);

/**
 * Scores candidates: larger is better, -ln of the latency in seconds; NaN for a row that failed. `scores` has room for `len`
 * elements, at least as many as the batch has rows; `status` too, or is NULL. Else as `ledg_predict`.
 */
ledg_status ledg_rank_scores(const struct ledg_model *model,
                             const struct ledg_batch *batch,
                             const struct ledg_predict_opts *opts,
                             double *scores,
                             ledg_status *status,
                             size_t len,
                             struct ledg_error **err);

/**
 * Predicts what each node costs, at a batch size of at least 1, or 0 for the graph's own. `opts` may be NULL. The caller owns
 * `*out`; free it with `ledg_node_costs_free`.
 *
 * Errors: those of a call and of a row of `ledg_predict`; `LEDG_E_MODEL` for a model without `LEDG_CAP_NODES`.
 */
ledg_status ledg_predict_nodes(const struct ledg_model *model,
                               const struct ledg_graph *graph,
                               const struct ledg_hw *hw,
                               uint64_t batch,
                               const struct ledg_predict_opts *opts,
                               struct ledg_node_costs **out,
                               struct ledg_error **err);

/**
 * Number of rows; 0 for NULL.
 */
size_t ledg_node_costs_count(const struct ledg_node_costs *costs);

/**
 * Name of a row's node, not NUL-terminated; empty for NULL and beyond the last. A view that lives as long as the costs.
 */
struct ledg_str ledg_node_costs_name(const struct ledg_node_costs *costs,
                                     size_t row);

/**
 * Operator of a row, such as `Conv` or `com.acme.Lut`, else as `ledg_node_costs_name`.
 */
struct ledg_str ledg_node_costs_op(const struct ledg_node_costs *costs, size_t row);

/**
 * Sentence that the model reads for a row, else as `ledg_node_costs_name`.
 */
struct ledg_str ledg_node_costs_sentence(const struct ledg_node_costs *costs, size_t row);

/**
 * Nodes of the graph that a row stands for: an array of `*n` indices for `ledg_graph_node_name`, in topological order. A view
 * that lives as long as the costs; NULL, with `*n` 0, for NULL and beyond the last row. `n` may not be NULL.
 */
const size_t *ledg_node_costs_origins(const struct ledg_node_costs *costs,
                                      size_t row,
                                      size_t *n);

/**
 * Writes the costs into columns, in topological order of the rows.
 */
ledg_status ledg_node_costs_columns(const struct ledg_node_costs *costs,
                                    const struct ledg_node_columns *columns,
                                    struct ledg_error **err);

/**
 * Frees costs by node. NULL is fine.
 */
void ledg_node_costs_free(struct ledg_node_costs *costs);

/**
 * Explains what a model is told of a graph: sentences, magnitudes and, if asked for, masks, as `ledg-cost explain` prints
 * them. The text is for people and changes between versions; the JSON is for programs. The caller owns `*out`; free it
 * with `ledg_string_free`.
 *
 * Errors: `LEDG_E_GRAPH` and `LEDG_E_TEMPLATE` for a graph that the model cannot describe, `LEDG_E_LIMIT` for masks of more than
 * 4,096 nodes that cost something.
 */
ledg_status ledg_explain(const struct ledg_model *model,
                         const struct ledg_graph *graph,
                         uint32_t flags,
                         struct ledg_string **out,
                         struct ledg_error **err);

/**
 * Makes an empty list of records. The caller owns `*out`; free it with `ledg_records_free`.
 */
ledg_status ledg_records_new(struct ledg_records **out, struct ledg_error **err);

/**
 * Adds a measurement: the seconds of `n_runs` executions of the whole batch, at most 1,048,576, each a finite number above
 * zero. `batch` is at least 1. Graph and platform may be freed afterwards.
 *
 * Errors: `LEDG_E_RECORDS` for a batch size or seconds that cannot be.
 */
ledg_status ledg_records_push(struct ledg_records *records,
                              const struct ledg_graph *graph,
                              const struct ledg_hw *hw,
                              uint64_t batch,
                              const double *runs_s,
                              size_t n_runs,
                              struct ledg_error **err);

/**
 * Adds a measurement that failed, with the reason. It counts for nothing in calibration and keeps the fact.
 *
 * Errors: `LEDG_E_RECORDS` for a batch size that cannot be.
 */
ledg_status ledg_records_push_failed(struct ledg_records *records,
                                     const struct ledg_graph *graph,
                                     const struct ledg_hw *hw,
                                     uint64_t batch,
                                     struct ledg_str why,
                                     struct ledg_error **err);

/**
 * Number of records, failed ones counted; 0 for NULL.
 */
size_t ledg_records_count(const struct ledg_records *records);

/**
 * Reads records from a file of JSON lines. Hardware is found in `registry`; NULL means the built-in hardware. The caller owns
 * `*out`; free it with `ledg_records_free`.
 *
 * Errors: `LEDG_E_IO`, `LEDG_E_RECORDS` if it is malformed or names hardware that is not known.
 */
ledg_status ledg_records_load(struct ledg_str path,
                              const struct ledg_registry *registry,
                              struct ledg_records **out,
                              struct ledg_error **err);

/**
 * Writes records to a file of JSON lines. The file appears complete or not at all.
 *
 * Errors: `LEDG_E_IO`.
 */
ledg_status ledg_records_save(const struct ledg_records *records,
                              struct ledg_str path,
                              struct ledg_error **err);

/**
 * Frees records. NULL is fine.
 */
void ledg_records_free(struct ledg_records *records);

/**
 * Gives a new model that is calibrated to the records: for every platform measured robust factors, one of all its latencies and
 * one of each kind of operator, shrunk towards none where records are few, and, from six networks on, how much it is like each
 * platform that training measured, where cross-validation finds that to help. Where three networks or more have times of their
 * nodes, nodes are told from those in place of all that. Intervals come from the records where there are enough of them; queries
 * of a calibrated platform can take a few times longer. Platforms without records keep their predictions, and no records at all give the same model. Records of the
 * same graph, platform and batch that are further apart than a factor of 1.5 are refused. The caller owns `*out`; free it with
 * `ledg_model_free`; the given model stays as it is. Takes the time of a prediction for each record.
 *
 * Errors: `LEDG_E_RECORDS`; what a row of `ledg_predict` can have, for a record that the model cannot answer.
 */
ledg_status ledg_model_calibrate(const struct ledg_model *model,
                                 const struct ledg_records *records,
                                 struct ledg_model **out,
                                 struct ledg_error **err);

/**
 * Makes a session of a graph at batch 1 (see `ledg_graph_with_batch`) on `n_hw` platforms, 1 to 65,536: `batch_sizes` holds one
 * batch size for all of them, or one for each, at least 1; NULL, with `n_batch_sizes` 0, means 1. Needs a model with
 * `LEDG_CAP_DELTA`. The caller owns `*out`; free it with `ledg_session_free`. Since ABI 1.1.
 *
 * Errors: `LEDG_E_MODEL` for a model without `LEDG_CAP_DELTA`; `LEDG_E_GRAPH`, `LEDG_E_TEMPLATE` and `LEDG_E_HARDWARE` as
 * for a row of `ledg_predict`.
 */
ledg_status ledg_session_new(const struct ledg_model *model,
                             const struct ledg_graph *graph,
                             const struct ledg_hw *const *hw,
                             size_t n_hw,
                             const uint64_t *batch_sizes,
                             size_t n_batch_sizes,
                             struct ledg_session **out,
                             struct ledg_error **err);

/**
 * Predicts what candidates would cost; the session's graph stays as it is. Row `c * n_hw + h` of the columns is candidate `c`
 * on platform `h` of the session, so `columns->len` is at least `n_candidates * n_hw`, which is at most 16,777,216. `opts` may be
 * NULL; its `threads` is at most 1. A candidate that cannot be answered fails alone, with all its rows; when the call as a whole fails no
 * column is touched; both as in `ledg_predict`. The answers are those of `ledg_predict` on the edited graph to within one
 * part in a million. Since ABI 1.1.
 *
 * Errors: of the call those of `ledg_predict`; of a row also `LEDG_E_EDIT`.
 */
ledg_status ledg_session_predict(struct ledg_session *session,
                                 const struct ledg_candidate *candidates,
                                 size_t n_candidates,
                                 const struct ledg_predict_opts *opts,
                                 const struct ledg_columns *columns,
                                 struct ledg_error **err);

/**
 * Adopts edits: later candidates start from the edited graph. A call that fails leaves the session as it was. Since ABI 1.1.
 *
 * Errors: `LEDG_E_EDIT` for an edit that names what is not there, `LEDG_E_GRAPH` for one that breaks a rule of graphs.
 */
ledg_status ledg_session_apply(struct ledg_session *session,
                               const struct ledg_candidate *candidate,
                               struct ledg_error **err);

/**
 * Gives the session's graph as it stands. The caller owns `*out`; free it with `ledg_graph_free`. Since ABI 1.1.
 */
ledg_status ledg_session_graph(const struct ledg_session *session,
                               struct ledg_graph **out,
                               struct ledg_error **err);

/**
 * Frees a session. NULL is fine. Since ABI 1.1.
 */
void ledg_session_free(struct ledg_session *session);

/**
 * Makes a model that has learned nothing: it refuses to score until `ledg_model_update` gave it something to learn from.
 * `seed` decides its initial weights. The caller owns `*out`; free it with `ledg_schedule_model_free`. Since ABI 1.1.
 */
ledg_status ledg_schedule_model_new(uint64_t seed,
                                    struct ledg_schedule_model **out,
                                    struct ledg_error **err);

/**
 * Loads a schedule model from a file. A file that is damaged or was made for other sentences, numbers or another encoder is
 * refused. The caller owns `*out`; free it with `ledg_schedule_model_free`. Since ABI 1.1.
 *
 * Errors: `LEDG_E_IO`, `LEDG_E_MODEL`.
 */
ledg_status ledg_schedule_model_load(struct ledg_str path,
                                     struct ledg_schedule_model **out,
                                     struct ledg_error **err);

/**
 * Saves a schedule model, what it learned by updates included. The file appears complete or not at all. Since ABI 1.1.
 *
 * Errors: `LEDG_E_IO`.
 */
ledg_status ledg_schedule_model_save(const struct ledg_schedule_model *model,
                                     struct ledg_str path,
                                     struct ledg_error **err);

/**
 * Number of measured candidates that a model has learned from, in pretraining and by its update; 0 for one that refuses to score,
 * and for NULL. Since ABI 1.1.
 */
uint64_t ledg_schedule_model_records(const struct ledg_schedule_model *model);

/**
 * Frees a schedule model. NULL is fine. Since ABI 1.1.
 */
void ledg_schedule_model_free(struct ledg_schedule_model *model);

/**
 * Scores `n` candidates of one task, at most 16,777,216; larger is better; scores of different tasks do not compare. `task` is JSON (see
 * `plugins/tvm`), each of `traces` is a trace as TVM prints it. A candidate whose trace is none fails alone: its score is NaN and
 * its status, in `status` unless that is NULL, says why. `scores` has room for `n` numbers. Nothing is written if the call fails.
 * Since ABI 1.1.
 *
 * Errors: of the call `LEDG_E_MODEL` for a model that has learned nothing, `LEDG_E_PARSE` for a task; of a candidate
 * `LEDG_E_PARSE`, `LEDG_E_UNKNOWN_OP` for a primitive that is not known, `LEDG_E_LIMIT`.
 */
ledg_status ledg_schedule_score(const struct ledg_schedule_model *model,
                                struct ledg_str task,
                                const struct ledg_str *traces,
                                size_t n,
                                double *scores,
                                ledg_status *status,
                                struct ledg_error **err);

/**
 * Gives a candidate as a graph, as JSON: its nodes with sentences and numbers, and its edges. The caller owns `*out`; free it
 * with `ledg_string_free`. Since ABI 1.1.
 *
 * Errors: `LEDG_E_PARSE`, `LEDG_E_UNKNOWN_OP` for a primitive that is not known.
 */
ledg_status ledg_schedule_graph(const struct ledg_schedule_model *model,
                                struct ledg_str task,
                                struct ledg_str trace,
                                struct ledg_string **out,
                                struct ledg_error **err);

/**
 * Gives a new model that has also learned from measured candidates: JSON lines (see `plugins/tvm`), failed ones included. Give the
 * records of all tasks so far together. No candidates give the same model; candidates of which no two differ are an error, and so
 * is a candidate whose trace cannot be read, which `ledg_schedule_score` tells. Takes seconds for some hundred candidates, on one
 * thread that ends with the call. The caller owns `*out`; free it with `ledg_schedule_model_free`; the given model stays as it
 * is. Since ABI 1.1.
 *
 * Errors: `LEDG_E_RECORDS`, which names task and candidate.
 */
ledg_status ledg_model_update(const struct ledg_schedule_model *model,
                              struct ledg_str records,
                              struct ledg_schedule_model **out,
                              struct ledg_error **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LEDG_H */
