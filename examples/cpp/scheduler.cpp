// A toy graph-level auto-scheduler: a chain of convolutions is cut in two, the front runs on one device and the rest on
// another, each in the precision, layout and compiler that suits it, with the normalisation folded into the convolution or
// not. All 1,024 costs come from one call, and the best schedule from exhaustive search over their sums.
#include <cstdio>
#include <string>
#include <vector>

#include <ledg.hpp>

namespace {

constexpr int n_blocks = 32;
constexpr std::uint64_t batch = 32, channels = 64, size = 28;
constexpr double link_bytes_s = 12e9;

/// Blocks `begin` to `end` of the network as a graph of its own.
ledg::Graph part(int begin, int end, bool folded) {
    using Dims = ledg::Builder::Dims;
    ledg::Builder b("blocks " + std::to_string(begin) + " to " + std::to_string(end));
    const Dims map = {batch, channels, size, size};
    auto x = b.input("x", LEDG_F32, map);
    for (int i = begin; i < end; ++i) {
        const std::string n = std::to_string(i);
        const std::uint64_t kernel = i % 2 == 0 ? 3 : 1;
        const auto w = b.weight("w" + n, LEDG_F32, Dims{channels, channels, kernel, kernel});
        const std::int64_t pad = kernel == 3 ? 1 : 0;
        x = b.op("Conv", "conv" + n, {x, w}, LEDG_F32, map, {ledg::Attr("pads", std::vector<std::int64_t>(4, pad))});
        if (!folded) {
            std::vector<ledg::Builder::Value> inputs = {x};
            for (const char *what : {"scale", "bias", "mean", "var"}) {
                inputs.push_back(b.weight(what + n, LEDG_F32, Dims{channels}));
            }
            x = b.op("BatchNormalization", "norm" + n, inputs, LEDG_F32, map);
        }
        x = b.op("Relu", "relu" + n, {x}, LEDG_F32, map);
    }
    b.output(x);
    return b.finish();
}

} // namespace

int main(int argc, char **argv) try {
    if (argc < 3) {
        std::fprintf(stderr, "usage: scheduler FRONT_DEVICE BACK_DEVICE\n");
        return 2;
    }
    const auto model = ledg::Model::builtin();
    const ledg::Registry registry;
    // Per device: precision x layout x compiler.
    std::vector<ledg::Hardware> variants[2];
    for (int side = 0; side < 2; ++side) {
        for (const char *precision : {"fp32", "amp"}) {
            for (const char *layout : {"nchw", "nhwc"}) {
                for (const char *compiler : {"eager", "dynamo"}) {
                    const std::string runtime = std::string(precision) + "/" + layout + "/" + compiler;
                    variants[side].push_back(registry.hardware(std::string(argv[1 + side]) + ":" + runtime));
                }
            }
        }
    }
    const std::size_t n_variants = variants[0].size();

    // The front of every cut but the empty one, the back of every cut but the last, folded and not.
    std::vector<ledg::Graph> graphs;
    for (int folded = 0; folded < 2; ++folded) {
        for (int cut = 1; cut <= n_blocks; ++cut) {
            graphs.push_back(part(0, cut, folded != 0));
        }
        for (int cut = 0; cut < n_blocks; ++cut) {
            graphs.push_back(part(cut, n_blocks, folded != 0));
        }
    }
    std::vector<const ledg::Graph *> rows;
    std::vector<const ledg::Hardware *> places;
    for (std::size_t g = 0; g < graphs.size(); ++g) {
        const int side = g / n_blocks % 2 == 0 ? 0 : 1;
        for (const auto &variant : variants[side]) {
            rows.push_back(&graphs[g]);
            places.push_back(&variant);
        }
    }
    const auto answers = model.predict(rows, places);
    for (const ledg_status status : answers.status) {
        if (status != LEDG_OK) {
            throw ledg::Error(status, "a candidate has no cost");
        }
    }

    // Cost of a part on a variant; nothing for an empty part.
    const auto cost = [&](int folded, int side, int cut, std::size_t variant) {
        const int place = side == 0 ? cut - 1 : cut;
        if (place < 0 || place >= n_blocks) {
            return 0.0;
        }
        const std::size_t graph = static_cast<std::size_t>((folded * 2 + side) * n_blocks + place);
        return answers.latency_s[graph * n_variants + variant];
    };
    double best = 0, front_only = 0, back_only = 0;
    int best_folded = 0, best_cut = 0;
    std::size_t best_variant[2] = {0, 0};
    const auto better = [](double candidate, double than) { return than == 0 || candidate < than; };
    for (int folded = 0; folded < 2; ++folded) {
        for (int cut = 0; cut <= n_blocks; ++cut) {
            const double link = cut == 0 || cut == n_blocks ? 0 : batch * channels * size * size * 4 / link_bytes_s;
            for (std::size_t f = 0; f < n_variants; ++f) {
                for (std::size_t r = 0; r < n_variants; ++r) {
                    const double total = cost(folded, 0, cut, f) + link + cost(folded, 1, cut, r);
                    if (better(total, best)) {
                        best = total;
                        best_folded = folded;
                        best_cut = cut;
                        best_variant[0] = f;
                        best_variant[1] = r;
                    }
                    if (cut == n_blocks && better(total, front_only)) {
                        front_only = total;
                    }
                    if (cut == 0 && better(total, back_only)) {
                        back_only = total;
                    }
                }
            }
        }
    }
    std::printf("%zu costs; the first device alone takes %.4g s, the second alone %.4g s\n", answers.latency_s.size(),
                front_only, back_only);
    std::printf("best: %.4g s, normalisation %s, %d of %d blocks on %s, the others on %s\n", best,
                best_folded ? "folded" : "apart", best_cut, n_blocks,
                std::string(variants[0][best_variant[0]].name()).c_str(),
                std::string(variants[1][best_variant[1]].name()).c_str());
    return best <= front_only && best <= back_only ? 0 : 1;
} catch (const ledg::Error &error) {
    std::fprintf(stderr, "scheduler: %s\n", error.what());
    return 1;
}
