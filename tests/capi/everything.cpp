// Everything that ledg.hpp reaches, asked once: everything MODEL.onnx FOLDER. The tests compile it for C++17 and C++20.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <ledg.hpp>

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "everything.cpp:%d: not so: %s\n", __LINE__, #condition);                             \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

namespace {

// Handles move and do not copy.
template <typename T> constexpr bool owns = std::is_nothrow_move_constructible_v<T> && !std::is_copy_constructible_v<T>;
static_assert(owns<ledg::Model> && owns<ledg::Graph> && owns<ledg::Hardware> && owns<ledg::Registry>);
static_assert(owns<ledg::Builder> && owns<ledg::Records> && owns<ledg::Cancel> && owns<ledg::Session>);
static_assert(owns<ledg::ScheduleModel>);

constexpr const char *device = R"(
schema = 1
name = "check-chip"
vendor = "Check"
vendor_short = "Ck"
kind = "npu"
architecture = "One"
memory_bandwidth_gb_s = 100
default_runtime = "pytorch2.1-fp32-nchw-eager"
runtimes = ["pytorch2.1-fp32-nchw-eager"]

[peak]
fp32 = 4

[[source]]
fields = ["memory_bandwidth_gb_s", "peak.fp32"]
title = "A chip of this test"
publisher = "ledg"
)";

constexpr const char *templates = R"(schema = 1
[[operator]]
op = "com.acme.Lut"
class = "Act"
sentence = "Lut"
dims = "elementwise"
flops = "out_elems * 2"
)";

template <typename Call> void fails(ledg_status status, Call call) {
    try {
        call();
    } catch (const ledg::Error &error) {
        EXPECT(error.status() == status && error.what()[0] != 0);
        return;
    }
    EXPECT(!"it failed");
}

/// An operator of a plugin, a constant of each kind, an input left out, two outputs, a shape that is not known.
ledg::Graph build() {
    using Dims = ledg::Builder::Dims;
    ledg::Builder b("built");
    const auto x = b.input("x", LEDG_F32, {2, 8, 4, 4});
    const auto w = b.weight("w", LEDG_F32, {8, 8, 1, 1});
    const auto conv = b.op("Conv", "conv", {x, w, LEDG_NO_VALUE}, LEDG_F32, {2, 8, 4, 4},
                           {ledg::Attr("group", 1), ledg::Attr("auto_pad", "VALID"),
                            ledg::Attr("strides", std::vector<std::int64_t>{1, 1})});
    const auto lut = b.op("Lut", "lut", {conv}, LEDG_F32, {2, 8, 4, 4}, {ledg::Attr("scale", 0.5)}, "com.acme");
    const auto sizes = b.constant("sizes", LEDG_I64, {2}, {4, 4});
    const auto halves = b.op("Split", "split", {lut, sizes},
                             {{"first", LEDG_F32, Dims{2, 4, 4, 4}}, {"second", LEDG_F32, Dims{2, 4, 4, 4}}},
                             {ledg::Attr("axis", 1)});
    EXPECT(halves.size() == 2 && halves[0] != halves[1]);
    const auto two = b.float_constant("two", LEDG_F32, {}, {2.0});
    b.output(b.op("Mul", "scaled", {halves[0], two}, LEDG_F32, {2, 4, 4, 4}));
    b.output(halves[1]);
    fails(LEDG_E_INVALID, [&] { b.op("Relu", "none", {x}, std::vector<ledg::Builder::Output>{}); });
    fails(LEDG_E_INVALID, [&] { b.op("Relu", "conv", {x}, LEDG_F32, {2, 8, 4, 4}); });
    fails(LEDG_E_LIMIT, [] {
        ledg::Builder small("small", 1, 1);
        small.input("x", LEDG_F32, {1});
        small.input("y", LEDG_F32, {1});
    });
    // A constant without elements has data, one of which only the shape is known has none.
    ledg::Builder scalar("scalar");
    const auto none = scalar.constant("none", LEDG_I64, {0}, {});
    const auto some = scalar.constant("some", LEDG_I64, {1}, {});
    const auto reshaped = scalar.op("Reshape", "to_scalar", {scalar.input("x", LEDG_F32, {1}), none}, LEDG_F32, Dims{});
    scalar.output(scalar.op("Reshape", "back", {reshaped, some}, LEDG_F32, {1}));
    const auto text = scalar.finish().to_json();
    EXPECT(text.find("\"data\"") != std::string::npos && text.find("\"data\"") == text.rfind("\"data\""));
    return b.finish();
}

void schedules(const std::string &folder) {
    const std::string task = R"({"name":"t","blocks":[{"name":"B","axes":[{"extent":64,"reduce":false}],"flops":1,)"
                             R"("accesses":[{"buffer":"A","element_bytes":4,"write":false,"dims":[[[0,1]]]},)"
                             R"({"buffer":"B","element_bytes":4,"write":true,"dims":[[[0,1]]]}]}]})";
    const auto trace = [](const std::string &how, const std::string &end) {
        return "b0 = sch.get_sblock(name='B')" + end + "l1, = sch.get_loops(block=b0)" + end + "sch." + how + "(loop=l1)";
    };
    const std::vector<std::string> traces = {trace("vectorize", "\n"), trace("unroll", "\n"), "no trace"};
    std::string records = R"({"version":1,"task":)" + task + "}\n";
    for (const auto &[how, runs] : {std::pair("vectorize", "1e-6"), std::pair("unroll", "2e-6")}) {
        records += R"({"version":1,"of":"t","trace":")" + trace(how, "\\n") + R"(","runs_s":[)" + runs + "]}\n";
    }
    const auto untrained = ledg::ScheduleModel::untrained(1);
    EXPECT(untrained.records() == 0 && untrained.graph(task, traces[0]).front() == '{');
    fails(LEDG_E_MODEL, [&] { untrained.score(task, traces); });
    const auto model = untrained.update(records);
    const auto scores = model.score(task, traces);
    EXPECT(model.records() == 2 && scores.score[0] > scores.score[1]);
    EXPECT(scores.status[0] == LEDG_OK && scores.status[2] != LEDG_OK && std::isnan(scores.score[2]));
    model.save(folder + "/schedules.ledg");
    EXPECT(ledg::ScheduleModel::load(folder + "/schedules.ledg").score(task, traces).score[0] == scores.score[0]);
}

void sessions(const ledg::Model &model, const ledg::Graph &graph, const ledg::Hardware &t4) {
    ledg::Session session(model, graph.with_batch(1), {&t4}, {8});
    const std::vector<ledg::Session::Candidate> candidates = {
        {},
        {ledg::Edit::attribute("conv", ledg::Attr("group", 1))},
        {ledg::Edit::replace("scaled", "Add")},
        {ledg::Edit::replace_with("lut", "Relu", {"conv"})},
        {ledg::Edit::insert("more", "Relu", {"first"}, "more", LEDG_F32, {1, 4, 4, 4}, "first")},
        {ledg::Edit::remove("lut")},
        {ledg::Edit::shape("scaled", {1, 4, 4, 4})},
        {ledg::Edit::remove("nobody")},
    };
    const auto p = session.predict(candidates);
    for (std::size_t i = 0; i + 1 < candidates.size(); ++i) {
        EXPECT(p.status[i] == LEDG_OK && p.latency_s[i] > 0);
    }
    EXPECT(p.status.back() == LEDG_E_EDIT && std::isnan(p.latency_s.back()));
    session.apply(candidates[5]);
    const auto edited = session.graph();
    EXPECT(edited.node_count() + 1 == graph.node_count());
    EXPECT(std::abs(model.predict({&edited}, {&t4}, {8}).latency_s[0] / p.latency_s[5] - 1) < 1e-6);
    fails(LEDG_E_EDIT, [&] { session.apply(candidates[7]); });
}

} // namespace

int main(int argc, char **argv) try {
    EXPECT(argc == 3);
    const std::string path = argv[1], folder = argv[2];
    ledg::check_abi();
    EXPECT(!ledg::version().empty());

    ledg::Registry registry;
    const auto before = registry.names().size();
    registry.add_toml("check.toml", device);
    registry.add_templates("lut.toml", templates);
    registry.add_found();
    EXPECT(registry.names().size() > before);
    const auto t4 = registry.hardware("t4"), own = registry.hardware("check-chip");
    EXPECT(own.name() == ledg::Hardware::from_toml(device).name());
    EXPECT(own.name() == ledg::Registry().hardware_from_toml(device, "fp32").name());
    fails(LEDG_E_HARDWARE, [&] { registry.hardware("no such chip"); });
    fails(LEDG_E_IO, [&] { registry.add_dir("/there/is/none"); });

    const auto builtin = ledg::Model::builtin();
    const auto model = builtin.with_plugins(registry);
    EXPECT((model.info().capabilities & LEDG_CAP_PREDICT) && model.info().members > 0);

    const auto read = ledg::Graph::from_onnx_file(path);
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    EXPECT(ledg::Graph::from_onnx("copy", bytes.data(), bytes.size()).hash() == read.hash());
    EXPECT(ledg::Graph::from_json(read.to_json()).hash() == read.hash());
    EXPECT(read.with_batch(3).hash() != read.hash() && read.node_name(0).size() > 0 && read.name().size() > 0);
    ledg::GraphOptions few;
    few.max_nodes = 3;
    fails(LEDG_E_LIMIT, [&] { ledg::Graph::from_onnx_file(path, few); });
    ledg::GraphOptions bound;
    bound.symbols = {{"nowhere", 4}};
    fails(LEDG_E_SYMBOL, [&] { ledg::Graph::from_onnx_file(path, bound); });

    const auto graph = build();
    EXPECT(model.coverage(graph) == 1.0 && builtin.coverage(graph) < 1.0);
    EXPECT(model.explain(graph).find("Lut") != std::string::npos);
    EXPECT(model.explain(graph, LEDG_EXPLAIN_JSON).front() == '{');
    const auto p = model.predict({&graph, &read}, {&t4, &own}, {8});
    EXPECT(p.latency_s.size() == 2 && p.status[0] == LEDG_OK && p.lo_s[1] < p.latency_s[1] && p.latency_s[1] < p.hi_s[1]);
    EXPECT(model.rank_scores({&graph, &read}, {&t4, &own}, {8})[0] == -std::log(p.latency_s[0]));
    EXPECT(model.rank_scores({}, {}).empty());
    EXPECT(builtin.predict({&graph}, {&t4}).status[0] == LEDG_E_UNKNOWN_OP);
    ledg::PredictOptions options;
    options.allow_unknown = true;
    options.threads = 4;
    const auto guessed = builtin.predict({&graph}, {&t4}, {}, options);
    EXPECT(guessed.status[0] == LEDG_OK && guessed.known[0] < 1);
    double sum = 0;
    for (const auto &node : model.predict_nodes(graph, t4, 8)) {
        sum += node.latency_s;
        EXPECT(node.known && !node.op.empty() && !node.sentence.empty() && !node.origins.empty());
    }
    EXPECT(std::abs(sum / p.latency_s[0] - 1) < 1e-9);
    options.coverage = 2;
    fails(LEDG_E_INTERVAL, [&] { model.predict({&graph}, {&t4}, {}, options); });
    const ledg::Cancel cancel;
    cancel.request();
    options.coverage = 0.5;
    options.cancel = &cancel;
    fails(LEDG_E_CANCELLED, [&] { model.predict({&graph}, {&t4}, {}, options); });

    // Const members from many threads.
    std::vector<std::thread> threads;
    std::vector<double> seen(4);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        threads.emplace_back([&, i] { seen[i] = model.predict({&graph}, {&t4}, {8}).latency_s[0]; });
    }
    for (auto &thread : threads) {
        thread.join();
    }
    for (const double s : seen) {
        EXPECT(s == p.latency_s[0]);
    }

    ledg::Records records;
    records.push(read, t4, 8, {0.02, 0.021, 0.019});
    records.push_failed(read, t4, 1000, "out of memory");
    fails(LEDG_E_RECORDS, [&] { records.push(read, t4, 8, {-1.0}); });
    records.save(folder + "/records.jsonl");
    EXPECT(ledg::Records::load(folder + "/records.jsonl", &registry).size() == 2 && records.size() == 2);
    const auto calibrated = builtin.calibrate(records);
    calibrated.save(folder + "/calibrated.ledg");
    const auto again = ledg::Model::load(folder + "/calibrated.ledg");
    const auto answer = calibrated.predict({&read}, {&t4}, {8});
    EXPECT(again.predict({&read}, {&t4}, {8}).latency_s == answer.latency_s);
    EXPECT(again.info().calibrated_platforms == 1 && (answer.evidence[0] & LEDG_EVIDENCE_CALIBRATION));
    fails(LEDG_E_MODEL, [&] { ledg::Model::load_bytes(bytes.data(), bytes.size()); });

    sessions(model, graph, t4);
    schedules(folder);
    std::puts("all is well");
    return 0;
} catch (const ledg::Error &error) {
    std::fprintf(stderr, "everything: %s\n", error.what());
    return 1;
}
