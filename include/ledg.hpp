/*
 * ledg for C++17: owning handles and exceptions over the C ABI in ledg.h. Header only; nothing here is part of the ABI.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every class owns one handle, moves and does not copy. What fails throws ledg::Error with the status and the message.
 * Const member functions may be called from many threads at once.
 */
#ifndef LEDG_HPP
#define LEDG_HPP

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ledg.h"

namespace ledg {

/// A failed call.
class Error : public std::runtime_error {
public:
    Error(ledg_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    /// One of LEDG_E_*.
    ledg_status status() const noexcept { return status_; }

private:
    ledg_status status_;
};

namespace detail {

inline ledg_str str(std::string_view text) noexcept { return ledg_str{text.data(), text.size()}; }
/// The data of a constant. NULL says that its shape alone is known, so a shape without elements has data that is not NULL.
template <typename T> const T *data(const std::vector<std::uint64_t> &dims, const std::vector<T> &values) noexcept {
    static const T none{};
    for (const std::uint64_t dim : dims) {
        if (dim == 0) {
            return &none;
        }
    }
    return values.empty() ? nullptr : values.data();
}
inline std::string_view view(ledg_str text) noexcept { return std::string_view(text.data, text.len); }

/// Receives the error of one call and throws it.
class Check {
public:
    Check() = default;
    Check(const Check &) = delete;
    Check &operator=(const Check &) = delete;
    ~Check() { ledg_error_free(error_); }
    operator ledg_error **() noexcept { return &error_; }
    void operator()(ledg_status status) const {
        if (status == LEDG_OK) {
            return;
        }
        std::string message(view(ledg_error_message(error_)));
        throw Error(status, message.empty() ? std::string(view(ledg_status_name(status))) : message);
    }

private:
    ledg_error *error_ = nullptr;
};

template <typename T, void (*Free)(T *)> struct Deleter {
    void operator()(T *handle) const noexcept { Free(handle); }
};
template <typename T, void (*Free)(T *)> using Owned = std::unique_ptr<T, Deleter<T, Free>>;

inline std::string take(ledg_string *string) {
    Owned<ledg_string, ledg_string_free> owned(string);
    return std::string(view(ledg_string_view(owned.get())));
}

template <typename T> T sized() noexcept {
    T value{};
    value.struct_size = sizeof(T);
    return value;
}

} // namespace detail

/// Throws if the loaded library does not serve this header.
inline void check_abi() {
    if (ledg_abi_check(LEDG_ABI_MAJOR, LEDG_ABI_MINOR) != LEDG_OK) {
        throw Error(LEDG_E_ABI, "libledg serves another version of the ABI than ledg.h describes");
    }
}

/// Version of the library.
inline std::string_view version() { return detail::view(ledg_version()); }

/// A device and how it runs graphs.
class Hardware {
public:
    explicit Hardware(ledg_hw *owned) : handle_(owned) {}
    /// From a data sheet's text, with the built-in runtimes.
    static Hardware from_toml(std::string_view text, std::string_view runtime = {}) {
        detail::Check check;
        ledg_hw *out = nullptr;
        check(ledg_hw_from_toml(nullptr, detail::str(text), detail::str(runtime), &out, check));
        return Hardware(out);
    }
    std::string_view name() const { return detail::view(ledg_hw_name(handle_.get())); }
    const ledg_hw *get() const noexcept { return handle_.get(); }

private:
    detail::Owned<ledg_hw, ledg_hw_free> handle_;
};

/// Hardware by name.
class Registry {
public:
    Registry() {
        detail::Check check;
        ledg_registry *out = nullptr;
        check(ledg_registry_new(&out, check));
        handle_.reset(out);
    }
    /// Adds a plugin's folder.
    void add_dir(std::string_view path) {
        detail::Check check;
        check(ledg_registry_add_dir(handle_.get(), detail::str(path), check));
    }
    /// Adds the plugins of LEDG_PLUGIN_PATH and of the user's folder.
    void add_found() {
        detail::Check check;
        check(ledg_registry_add_found(handle_.get(), check));
    }
    /// Adds one hardware file's text.
    void add_toml(std::string_view origin, std::string_view text) {
        detail::Check check;
        check(ledg_registry_add_toml(handle_.get(), detail::str(origin), detail::str(text), check));
    }
    /// Adds one template file's text.
    void add_templates(std::string_view origin, std::string_view text) {
        detail::Check check;
        check(ledg_registry_add_templates(handle_.get(), detail::str(origin), detail::str(text), check));
    }
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < ledg_registry_count(handle_.get()); ++i) {
            names.emplace_back(detail::view(ledg_registry_name(handle_.get(), i)));
        }
        return names;
    }
    /// The platform of DEVICE[:RUNTIME].
    Hardware hardware(std::string_view spec) const {
        detail::Check check;
        ledg_hw *out = nullptr;
        check(ledg_registry_get(handle_.get(), detail::str(spec), &out, check));
        return Hardware(out);
    }
    /// From a data sheet's text, with the runtimes of this registry, to which it is not added.
    Hardware hardware_from_toml(std::string_view text, std::string_view runtime = {}) const {
        detail::Check check;
        ledg_hw *out = nullptr;
        check(ledg_hw_from_toml(handle_.get(), detail::str(text), detail::str(runtime), &out, check));
        return Hardware(out);
    }
    const ledg_registry *get() const noexcept { return handle_.get(); }

private:
    detail::Owned<ledg_registry, ledg_registry_free> handle_;
};

/// How to read a graph.
struct GraphOptions {
    /// Sizes of dynamic dimensions by name.
    std::vector<std::pair<std::string, std::uint64_t>> symbols;
    /// Keep operators that no shape rule knows.
    bool keep_unknown = false;
    /// Limits; 0 is the default.
    std::uint64_t max_nodes = 0, max_values = 0, max_bytes = 0;
};

/// A graph of operators.
class Graph {
public:
    explicit Graph(ledg_graph *owned) : handle_(owned) {}
    static Graph from_onnx_file(std::string_view path, const GraphOptions &options = {}) {
        return read(options, [&](const ledg_graph_opts *opts, ledg_graph **out, ledg_error **err) {
            return ledg_graph_from_onnx_file(detail::str(path), opts, out, err);
        });
    }
    static Graph from_onnx(std::string_view name, const void *data, std::size_t size, const GraphOptions &options = {}) {
        return read(options, [&](const ledg_graph_opts *opts, ledg_graph **out, ledg_error **err) {
            return ledg_graph_from_onnx(detail::str(name), static_cast<const std::uint8_t *>(data), size, opts, out, err);
        });
    }
    static Graph from_json(std::string_view text, const GraphOptions &options = {}) {
        return read(options, [&](const ledg_graph_opts *opts, ledg_graph **out, ledg_error **err) {
            return ledg_graph_from_json(detail::str(text), opts, out, err);
        });
    }
    std::string to_json() const {
        detail::Check check;
        ledg_string *out = nullptr;
        check(ledg_graph_to_json(handle_.get(), &out, check));
        return detail::take(out);
    }
    Graph with_batch(std::uint64_t batch) const {
        detail::Check check;
        ledg_graph *out = nullptr;
        check(ledg_graph_with_batch(handle_.get(), batch, &out, check));
        return Graph(out);
    }
    /// Identifies what the graph computes; names do not count.
    std::array<std::uint8_t, 32> hash() const {
        detail::Check check;
        std::array<std::uint8_t, 32> hash{};
        check(ledg_graph_hash(handle_.get(), hash.data(), check));
        return hash;
    }
    std::string_view name() const { return detail::view(ledg_graph_name(handle_.get())); }
    std::size_t node_count() const { return ledg_graph_node_count(handle_.get()); }
    std::string_view node_name(std::size_t node) const { return detail::view(ledg_graph_node_name(handle_.get(), node)); }
    const ledg_graph *get() const noexcept { return handle_.get(); }

private:
    template <typename Call> static Graph read(const GraphOptions &options, Call call) {
        std::vector<ledg_str> names;
        std::vector<std::uint64_t> sizes;
        for (const auto &[name, size] : options.symbols) {
            names.push_back(detail::str(name));
            sizes.push_back(size);
        }
        auto opts = detail::sized<ledg_graph_opts>();
        opts.symbols = names.data();
        opts.symbol_sizes = sizes.data();
        opts.n_symbols = names.size();
        opts.unknown = options.keep_unknown ? LEDG_UNKNOWN_KEEP : LEDG_UNKNOWN_REFUSE;
        opts.max_nodes = options.max_nodes;
        opts.max_values = options.max_values;
        opts.max_bytes = options.max_bytes;
        detail::Check check;
        ledg_graph *out = nullptr;
        check(call(&opts, &out, check));
        return Graph(out);
    }
    detail::Owned<ledg_graph, ledg_graph_free> handle_;
};

namespace detail {
struct Attrs;
}

/// An attribute of a node: an integer, a number, a string, or several integers or numbers.
class Attr {
public:
    Attr(std::string name, std::int64_t value) : name_(std::move(name)), kind_(LEDG_ATTR_INT), ints_{value} {}
    Attr(std::string name, int value) : Attr(std::move(name), static_cast<std::int64_t>(value)) {}
    Attr(std::string name, double value) : name_(std::move(name)), kind_(LEDG_ATTR_FLOAT), floats_{value} {}
    Attr(std::string name, std::string value) : name_(std::move(name)), kind_(LEDG_ATTR_STR), str_(std::move(value)) {}
    Attr(std::string name, const char *value) : Attr(std::move(name), std::string(value)) {}
    Attr(std::string name, std::vector<std::int64_t> values)
        : name_(std::move(name)), kind_(LEDG_ATTR_INTS), ints_(std::move(values)) {}
    Attr(std::string name, std::vector<double> values)
        : name_(std::move(name)), kind_(LEDG_ATTR_FLOATS), floats_(std::move(values)) {}

private:
    friend struct detail::Attrs;
    std::string name_;
    std::int32_t kind_;
    std::vector<std::int64_t> ints_;
    std::vector<double> floats_;
    std::string str_;
};

namespace detail {

/// Attributes as the C ABI takes them; they borrow from the list they are made from.
struct Attrs {
    std::vector<ledg_str> strs;
    std::vector<ledg_attr> list;
    explicit Attrs(const std::vector<Attr> &attrs) : strs(attrs.size()), list(attrs.size()) {
        for (std::size_t i = 0; i < attrs.size(); ++i) {
            const Attr &attr = attrs[i];
            strs[i] = str(attr.str_);
            list[i].name = str(attr.name_);
            list[i].kind = attr.kind_;
            list[i].ints = attr.ints_.data();
            list[i].floats = attr.floats_.data();
            list[i].strs = &strs[i];
            list[i].len = attr.kind_ == LEDG_ATTR_INTS ? attr.ints_.size()
                          : attr.kind_ == LEDG_ATTR_FLOATS ? attr.floats_.size() : 1;
        }
    }
    Attrs(const Attrs &) = delete;
    Attrs &operator=(const Attrs &) = delete;
};

} // namespace detail

/// A graph that is being built. For one thread at a time.
class Builder {
public:
    using Value = std::uint32_t;
    using Dims = std::vector<std::uint64_t>;

    /// What a node produces.
    struct Output {
        std::string name;
        std::int32_t dtype;
        /// None: the shape is not known.
        std::optional<Dims> dims;
    };

    /// Limits of 0 are the defaults.
    explicit Builder(std::string_view name, std::uint64_t max_nodes = 0, std::uint64_t max_values = 0) {
        auto opts = detail::sized<ledg_builder_opts>();
        opts.max_nodes = max_nodes;
        opts.max_values = max_values;
        detail::Check check;
        ledg_builder *out = nullptr;
        check(ledg_builder_new(detail::str(name), &opts, &out, check));
        handle_.reset(out);
    }
    Value input(std::string_view name, std::int32_t dtype, const Dims &dims) {
        detail::Check check;
        Value id = 0;
        check(ledg_builder_input(handle_.get(), detail::str(name), dtype, dims.data(), dims.size(), &id, check));
        return id;
    }
    Value weight(std::string_view name, std::int32_t dtype, const Dims &dims) {
        detail::Check check;
        Value id = 0;
        check(ledg_builder_weight(handle_.get(), detail::str(name), dtype, dims.data(), dims.size(), &id, check));
        return id;
    }
    Value constant(std::string_view name, std::int32_t dtype, const Dims &dims, const std::vector<std::int64_t> &data) {
        detail::Check check;
        Value id = 0;
        check(ledg_builder_const(handle_.get(), detail::str(name), dtype, dims.data(), dims.size(), detail::data(dims, data),
                                 nullptr, data.size(), &id, check));
        return id;
    }
    Value float_constant(std::string_view name, std::int32_t dtype, const Dims &dims, const std::vector<double> &data) {
        detail::Check check;
        Value id = 0;
        check(ledg_builder_const(handle_.get(), detail::str(name), dtype, dims.data(), dims.size(), nullptr,
                                 detail::data(dims, data), data.size(), &id, check));
        return id;
    }
    /// Adds a node; LEDG_NO_VALUE is an optional input that is left out.
    std::vector<Value> op(std::string_view kind, std::string_view name, const std::vector<Value> &inputs,
                          const std::vector<Output> &outputs, const std::vector<Attr> &attrs = {},
                          std::string_view domain = {}) {
        const detail::Attrs raw(attrs);
        std::vector<ledg_tensor> tensors(outputs.size());
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            tensors[i].name = detail::str(outputs[i].name);
            tensors[i].dims = outputs[i].dims ? outputs[i].dims->data() : nullptr;
            tensors[i].rank = outputs[i].dims ? outputs[i].dims->size() : LEDG_RANK_UNKNOWN;
            tensors[i].dtype = outputs[i].dtype;
        }
        auto node = detail::sized<ledg_op>();
        node.domain = detail::str(domain);
        node.kind = detail::str(kind);
        node.name = detail::str(name);
        node.inputs = inputs.data();
        node.n_inputs = inputs.size();
        node.outputs = tensors.data();
        node.n_outputs = tensors.size();
        node.attrs = raw.list.data();
        node.n_attrs = raw.list.size();
        detail::Check check;
        std::vector<Value> ids(outputs.size() + 1); // not NULL, even without outputs
        check(ledg_builder_op(handle_.get(), &node, ids.data(), check));
        ids.pop_back();
        return ids;
    }
    /// Adds a node with one output, named as the node.
    Value op(std::string_view kind, std::string_view name, const std::vector<Value> &inputs, std::int32_t dtype,
             const Dims &dims, const std::vector<Attr> &attrs = {}, std::string_view domain = {}) {
        return op(kind, name, inputs, std::vector<Output>{Output{std::string(name), dtype, dims}}, attrs, domain).front();
    }
    void output(Value value) {
        detail::Check check;
        check(ledg_builder_output(handle_.get(), value, check));
    }
    Graph finish() const {
        detail::Check check;
        ledg_graph *out = nullptr;
        check(ledg_builder_finish(handle_.get(), &out, check));
        return Graph(out);
    }

private:
    detail::Owned<ledg_builder, ledg_builder_free> handle_;
};

/// Measured records. For one thread at a time.
class Records {
public:
    Records() {
        detail::Check check;
        ledg_records *out = nullptr;
        check(ledg_records_new(&out, check));
        handle_.reset(out);
    }
    static Records load(std::string_view path, const Registry *registry = nullptr) {
        detail::Check check;
        ledg_records *out = nullptr;
        check(ledg_records_load(detail::str(path), registry ? registry->get() : nullptr, &out, check));
        Records records{Adopt{}};
        records.handle_.reset(out);
        return records;
    }
    void push(const Graph &graph, const Hardware &hardware, std::uint64_t batch, const std::vector<double> &runs_s) {
        detail::Check check;
        check(ledg_records_push(handle_.get(), graph.get(), hardware.get(), batch, runs_s.data(), runs_s.size(), check));
    }
    void push_failed(const Graph &graph, const Hardware &hardware, std::uint64_t batch, std::string_view why) {
        detail::Check check;
        check(ledg_records_push_failed(handle_.get(), graph.get(), hardware.get(), batch, detail::str(why), check));
    }
    void save(std::string_view path) const {
        detail::Check check;
        check(ledg_records_save(handle_.get(), detail::str(path), check));
    }
    std::size_t size() const { return ledg_records_count(handle_.get()); }
    const ledg_records *get() const noexcept { return handle_.get(); }

private:
    struct Adopt {};
    explicit Records(Adopt) {}
    detail::Owned<ledg_records, ledg_records_free> handle_;
};

/// Ends predictions early.
class Cancel {
public:
    Cancel() {
        detail::Check check;
        ledg_cancel *out = nullptr;
        check(ledg_cancel_new(&out, check));
        handle_.reset(out);
    }
    void request() const noexcept { ledg_cancel_request(handle_.get()); }
    const ledg_cancel *get() const noexcept { return handle_.get(); }

private:
    detail::Owned<ledg_cancel, ledg_cancel_free> handle_;
};

/// How to predict.
struct PredictOptions {
    double coverage = 0.9;
    std::uint32_t threads = 1;
    /// Estimate operators that no template covers by the sizes of their tensors.
    bool allow_unknown = false;
    const Cancel *cancel = nullptr;
};

/// Answers in columns, a row for each question. A row whose status is not LEDG_OK has NaN in its numbers.
struct Predictions {
    std::vector<double> latency_s, lo_s, hi_s, known, spread;
    std::vector<std::uint8_t> evidence;
    std::vector<ledg_status> status;
};

namespace detail {

inline ledg_predict_opts raw(const PredictOptions &options) {
    auto opts = sized<ledg_predict_opts>();
    opts.coverage = options.coverage;
    opts.threads = options.threads;
    opts.flags = options.allow_unknown ? LEDG_PREDICT_UNKNOWN : 0;
    opts.cancel = options.cancel ? options.cancel->get() : nullptr;
    return opts;
}

/// Columns of `n` rows, into what is resized to hold them.
inline ledg_columns columns(Predictions &p, std::size_t n) {
    for (auto *column : {&p.latency_s, &p.lo_s, &p.hi_s, &p.known, &p.spread}) {
        column->resize(n);
    }
    p.evidence.resize(n);
    p.status.resize(n);
    auto columns = sized<ledg_columns>();
    columns.len = n;
    columns.latency_s = p.latency_s.data();
    columns.lo_s = p.lo_s.data();
    columns.hi_s = p.hi_s.data();
    columns.known = p.known.data();
    columns.spread = p.spread.data();
    columns.evidence = p.evidence.data();
    columns.status = p.status.data();
    return columns;
}

} // namespace detail

/// What a node costs, in seconds.
struct NodeCost {
    std::string name, op, sentence;
    double latency_s, compute_s, issue_s, memory_s, launch_s;
    bool known;
    /// Nodes of the graph that it stands for.
    std::vector<std::size_t> origins;
};

/// A cost model.
class Model {
public:
    explicit Model(ledg_model *owned) : handle_(owned) {}
    /// The model that is compiled into the library.
    static Model builtin() {
        check_abi();
        detail::Check check;
        ledg_model *out = nullptr;
        check(ledg_model_default(&out, check));
        return Model(out);
    }
    static Model load(std::string_view path) {
        check_abi();
        detail::Check check;
        ledg_model *out = nullptr;
        check(ledg_model_load(detail::str(path), &out, check));
        return Model(out);
    }
    static Model load_bytes(const void *data, std::size_t size) {
        check_abi();
        detail::Check check;
        ledg_model *out = nullptr;
        check(ledg_model_load_bytes(static_cast<const std::uint8_t *>(data), size, &out, check));
        return Model(out);
    }
    void save(std::string_view path) const {
        detail::Check check;
        check(ledg_model_save(handle_.get(), detail::str(path), check));
    }
    ledg_model_info info() const {
        detail::Check check;
        auto info = detail::sized<ledg_model_info>();
        check(ledg_model_get_info(handle_.get(), &info, check));
        return info;
    }
    Model with_plugins(const Registry &registry) const {
        detail::Check check;
        ledg_model *out = nullptr;
        check(ledg_model_with_plugins(handle_.get(), registry.get(), &out, check));
        return Model(out);
    }
    Model calibrate(const Records &records) const {
        detail::Check check;
        ledg_model *out = nullptr;
        check(ledg_model_calibrate(handle_.get(), records.get(), &out, check));
        return Model(out);
    }
    /// Predicts as many rows as the longest list has; the other lists have one element or as many. No batch sizes means each
    /// graph's own.
    Predictions predict(const std::vector<const Graph *> &graphs, const std::vector<const Hardware *> &hardware,
                        const std::vector<std::uint64_t> &batch_sizes = {}, const PredictOptions &options = {}) const {
        Lists lists(graphs, hardware, batch_sizes);
        const std::size_t n = lists.batch.n;
        Predictions p;
        const auto columns = detail::columns(p, n);
        const auto opts = detail::raw(options);
        detail::Check check;
        check(ledg_predict(handle_.get(), &lists.batch, &opts, &columns, check));
        return p;
    }
    /// Scores: larger is better, NaN for a row that failed.
    std::vector<double> rank_scores(const std::vector<const Graph *> &graphs, const std::vector<const Hardware *> &hardware,
                                    const std::vector<std::uint64_t> &batch_sizes = {},
                                    const PredictOptions &options = {}) const {
        Lists lists(graphs, hardware, batch_sizes);
        std::vector<double> scores(lists.batch.n);
        const auto opts = detail::raw(options);
        detail::Check check;
        check(ledg_rank_scores(handle_.get(), &lists.batch, &opts, scores.data(), nullptr, scores.size(), check));
        return scores;
    }
    /// Costs by node; batch 0 is the graph's own.
    std::vector<NodeCost> predict_nodes(const Graph &graph, const Hardware &hardware, std::uint64_t batch = 0,
                                        const PredictOptions &options = {}) const {
        const auto opts = detail::raw(options);
        detail::Check check;
        ledg_node_costs *out = nullptr;
        check(ledg_predict_nodes(handle_.get(), graph.get(), hardware.get(), batch, &opts, &out, check));
        detail::Owned<ledg_node_costs, ledg_node_costs_free> costs(out);
        const std::size_t n = ledg_node_costs_count(out);
        std::vector<double> numbers(5 * n);
        std::vector<std::uint8_t> known(n);
        auto columns = detail::sized<ledg_node_columns>();
        columns.len = n;
        columns.latency_s = numbers.data();
        columns.compute_s = numbers.data() + n;
        columns.issue_s = numbers.data() + 2 * n;
        columns.memory_s = numbers.data() + 3 * n;
        columns.launch_s = numbers.data() + 4 * n;
        columns.known = known.data();
        check(ledg_node_costs_columns(out, &columns, check));
        std::vector<NodeCost> nodes;
        nodes.reserve(n);
        for (std::size_t i = 0; i < n; ++i) {
            std::size_t n_origins = 0;
            const std::size_t *origins = ledg_node_costs_origins(out, i, &n_origins);
            nodes.push_back(NodeCost{std::string(detail::view(ledg_node_costs_name(out, i))),
                                     std::string(detail::view(ledg_node_costs_op(out, i))),
                                     std::string(detail::view(ledg_node_costs_sentence(out, i))), numbers[i],
                                     numbers[n + i], numbers[2 * n + i], numbers[3 * n + i], numbers[4 * n + i],
                                     known[i] != 0, std::vector<std::size_t>(origins, origins + n_origins)});
        }
        return nodes;
    }
    /// Share of the nodes that templates cover.
    double coverage(const Graph &graph) const {
        detail::Check check;
        double share = 0;
        check(ledg_graph_coverage(handle_.get(), graph.get(), &share, nullptr, check));
        return share;
    }
    std::string explain(const Graph &graph, std::uint32_t flags = 0) const {
        detail::Check check;
        ledg_string *out = nullptr;
        check(ledg_explain(handle_.get(), graph.get(), flags, &out, check));
        return detail::take(out);
    }
    const ledg_model *get() const noexcept { return handle_.get(); }

private:
    /// Handles as the C ABI takes them.
    struct Lists {
        std::vector<const ledg_graph *> graphs;
        std::vector<const ledg_hw *> hardware;
        ledg_batch batch;
        Lists(const std::vector<const Graph *> &g, const std::vector<const Hardware *> &h,
              const std::vector<std::uint64_t> &sizes)
            : batch(detail::sized<ledg_batch>()) {
            for (const Graph *graph : g) {
                graphs.push_back(graph->get());
            }
            for (const Hardware *hw : h) {
                hardware.push_back(hw->get());
            }
            batch.n = g.empty() || h.empty() ? 0 : g.size();
            for (std::size_t n : {h.size(), sizes.size()}) {
                batch.n = batch.n != 0 && n > batch.n ? n : batch.n;
            }
            batch.graphs = graphs.data();
            batch.n_graphs = graphs.size();
            batch.hw = hardware.data();
            batch.n_hw = hardware.size();
            batch.batch_sizes = sizes.data();
            batch.n_batch_sizes = sizes.size();
        }
    };
    detail::Owned<ledg_model, ledg_model_free> handle_;
};

/// One change of a session's graph.
class Edit {
public:
    using Dims = std::vector<std::uint64_t>;
    /// An empty name is an optional input that is left out.
    using Inputs = std::vector<std::string>;

    static Edit attribute(std::string node, Attr attr) {
        Edit edit(LEDG_EDIT_ATTRIBUTE);
        edit.node_ = std::move(node);
        edit.attrs_.push_back(std::move(attr));
        return edit;
    }
    /// Shapes of other values do not follow.
    static Edit shape(std::string value, Dims dims) {
        Edit edit(LEDG_EDIT_SHAPE);
        edit.value_ = std::move(value);
        edit.dims_ = std::move(dims);
        return edit;
    }
    /// Another operator with the same inputs.
    static Edit replace(std::string node, std::string op, std::vector<Attr> attrs = {}, std::string domain = {}) {
        Edit edit(LEDG_EDIT_REPLACE);
        edit.node_ = std::move(node);
        edit.op_ = std::move(op);
        edit.attrs_ = std::move(attrs);
        edit.domain_ = std::move(domain);
        return edit;
    }
    /// Another operator with other inputs.
    static Edit replace_with(std::string node, std::string op, Inputs inputs, std::vector<Attr> attrs = {},
                             std::string domain = {}) {
        Edit edit = replace(std::move(node), std::move(op), std::move(attrs), std::move(domain));
        edit.inputs_ = std::move(inputs);
        edit.has_inputs_ = true;
        return edit;
    }
    /// A new node whose output `value` takes over the readers of `replaces`, if that is not empty.
    static Edit insert(std::string node, std::string op, Inputs inputs, std::string value, std::int32_t dtype, Dims dims,
                       std::string replaces = {}, std::vector<Attr> attrs = {}, std::string domain = {}) {
        Edit edit(LEDG_EDIT_INSERT);
        edit.node_ = std::move(node);
        edit.op_ = std::move(op);
        edit.inputs_ = std::move(inputs);
        edit.has_inputs_ = true;
        edit.value_ = std::move(value);
        edit.dtype_ = dtype;
        edit.dims_ = std::move(dims);
        edit.replaces_ = std::move(replaces);
        edit.attrs_ = std::move(attrs);
        edit.domain_ = std::move(domain);
        return edit;
    }
    static Edit remove(std::string node) {
        Edit edit(LEDG_EDIT_REMOVE);
        edit.node_ = std::move(node);
        return edit;
    }

private:
    friend class Session;
    explicit Edit(std::int32_t kind) : kind_(kind) {}
    std::int32_t kind_, dtype_ = 0;
    bool has_inputs_ = false;
    std::string node_, value_, replaces_, domain_, op_;
    std::vector<Attr> attrs_;
    Inputs inputs_;
    Dims dims_;
};

/// A graph that is edited and asked about again and again, on fixed platforms. For one thread at a time.
class Session {
public:
    /// Edits, applied in order; none of them is the graph as it stands.
    using Candidate = std::vector<Edit>;

    /// The graph is at batch 1; one batch size for all platforms, or one for each, or none for 1.
    Session(const Model &model, const Graph &graph, const std::vector<const Hardware *> &hardware,
            const std::vector<std::uint64_t> &batch_sizes = {})
        : n_hardware_(hardware.size()) {
        std::vector<const ledg_hw *> hw;
        for (const Hardware *h : hardware) {
            hw.push_back(h->get());
        }
        detail::Check check;
        ledg_session *out = nullptr;
        check(ledg_session_new(model.get(), graph.get(), hw.data(), hw.size(), batch_sizes.data(), batch_sizes.size(), &out,
                               check));
        handle_.reset(out);
    }
    /// Row c * n + h is candidate c on platform h of the n that the session has. The session's graph stays as it is.
    Predictions predict(const std::vector<Candidate> &candidates, const PredictOptions &options = {}) {
        Lists lists;
        for (const Candidate &candidate : candidates) {
            lists.add(candidate);
        }
        const auto raw = lists.candidates();
        Predictions p;
        const auto columns = detail::columns(p, candidates.size() * n_hardware_);
        const auto opts = detail::raw(options);
        detail::Check check;
        check(ledg_session_predict(handle_.get(), raw.data(), raw.size(), &opts, &columns, check));
        return p;
    }
    /// Adopts edits: later candidates start from the edited graph.
    void apply(const Candidate &candidate) {
        Lists lists;
        lists.add(candidate);
        detail::Check check;
        check(ledg_session_apply(handle_.get(), lists.candidates().data(), check));
    }
    /// The graph as it stands.
    Graph graph() const {
        detail::Check check;
        ledg_graph *out = nullptr;
        check(ledg_session_graph(handle_.get(), &out, check));
        return Graph(out);
    }

private:
    /// Candidates as the C ABI takes them.
    struct Lists {
        std::vector<std::vector<ledg_edit>> edits;
        std::vector<std::unique_ptr<detail::Attrs>> attrs;
        std::vector<std::vector<ledg_str>> inputs;
        void add(const Candidate &candidate) {
            edits.emplace_back();
            for (const Edit &edit : candidate) {
                attrs.push_back(std::make_unique<detail::Attrs>(edit.attrs_));
                inputs.emplace_back();
                for (const std::string &name : edit.inputs_) {
                    inputs.back().push_back(detail::str(name));
                }
                inputs.back().reserve(1); // not NULL: no inputs are not the inputs as they are
                ledg_edit raw{};
                raw.kind = edit.kind_;
                raw.dtype = edit.dtype_;
                raw.node = detail::str(edit.node_);
                raw.value = detail::str(edit.value_);
                raw.replaces = detail::str(edit.replaces_);
                raw.domain = detail::str(edit.domain_);
                raw.op = detail::str(edit.op_);
                raw.attrs = attrs.back()->list.data();
                raw.n_attrs = attrs.back()->list.size();
                raw.inputs = edit.has_inputs_ ? inputs.back().data() : nullptr;
                raw.n_inputs = inputs.back().size();
                raw.dims = edit.dims_.data();
                raw.rank = edit.dims_.size();
                edits.back().push_back(raw);
            }
        }
        std::vector<ledg_candidate> candidates() const {
            std::vector<ledg_candidate> list;
            for (const auto &own : edits) {
                list.push_back(ledg_candidate{own.data(), own.size()});
            }
            return list;
        }
    };
    std::size_t n_hardware_;
    detail::Owned<ledg_session, ledg_session_free> handle_;
};

/// A model that ranks schedules of one task. Immutable: an update gives a new one.
class ScheduleModel {
public:
    explicit ScheduleModel(ledg_schedule_model *owned) : handle_(owned) {}
    /// One that has learned nothing and refuses to score.
    static ScheduleModel untrained(std::uint64_t seed) {
        check_abi();
        detail::Check check;
        ledg_schedule_model *out = nullptr;
        check(ledg_schedule_model_new(seed, &out, check));
        return ScheduleModel(out);
    }
    static ScheduleModel load(std::string_view path) {
        check_abi();
        detail::Check check;
        ledg_schedule_model *out = nullptr;
        check(ledg_schedule_model_load(detail::str(path), &out, check));
        return ScheduleModel(out);
    }
    void save(std::string_view path) const {
        detail::Check check;
        check(ledg_schedule_model_save(handle_.get(), detail::str(path), check));
    }
    /// Measured candidates that it has learned from.
    std::uint64_t records() const { return ledg_schedule_model_records(handle_.get()); }
    /// A score for each trace, larger is better; one that cannot be read has NaN and a status.
    struct Scores {
        std::vector<double> score;
        std::vector<ledg_status> status;
    };
    Scores score(std::string_view task, const std::vector<std::string> &traces) const {
        std::vector<ledg_str> texts;
        for (const std::string &trace : traces) {
            texts.push_back(detail::str(trace));
        }
        Scores scores{std::vector<double>(traces.size()), std::vector<ledg_status>(traces.size())};
        detail::Check check;
        check(ledg_schedule_score(handle_.get(), detail::str(task), texts.data(), texts.size(), scores.score.data(),
                                  scores.status.data(), check));
        return scores;
    }
    /// A candidate as a graph, as JSON.
    std::string graph(std::string_view task, std::string_view trace) const {
        detail::Check check;
        ledg_string *out = nullptr;
        check(ledg_schedule_graph(handle_.get(), detail::str(task), detail::str(trace), &out, check));
        return detail::take(out);
    }
    /// Learns from measured candidates, JSON lines, and gives a new model.
    ScheduleModel update(std::string_view records) const {
        detail::Check check;
        ledg_schedule_model *out = nullptr;
        check(ledg_model_update(handle_.get(), detail::str(records), &out, check));
        return ScheduleModel(out);
    }
    const ledg_schedule_model *get() const noexcept { return handle_.get(); }

private:
    detail::Owned<ledg_schedule_model, ledg_schedule_model_free> handle_;
};

} // namespace ledg

#endif /* LEDG_HPP */
