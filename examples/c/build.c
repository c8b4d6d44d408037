/* Builds a convolution, its activation and a classifier by calls, and prints what each node costs: build DEVICE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ledg.h>

static ledg_str str(const char *text) {
    ledg_str s;
    s.data = text;
    s.len = strlen(text);
    return s;
}

static void check(ledg_status status, ledg_error **error) {
    if (status != LEDG_OK) {
        fprintf(stderr, "build: %s: %s\n", ledg_status_name(status).data, ledg_error_message(*error).data);
        ledg_error_free(*error);
        exit(1);
    }
}

/* Adds a node with one output, named as the node. */
static uint32_t op(ledg_builder *builder, const char *kind, const char *name, const uint32_t *inputs, size_t n_inputs,
                   const uint64_t *dims, size_t rank, const ledg_attr *attrs, size_t n_attrs) {
    ledg_error *error = NULL;
    ledg_tensor output;
    ledg_op node;
    uint32_t id = 0;

    memset(&output, 0, sizeof output);
    output.name = str(name);
    output.dims = dims;
    output.rank = rank;
    output.dtype = LEDG_F32;
    memset(&node, 0, sizeof node);
    node.struct_size = sizeof node;
    node.kind = str(kind);
    node.name = str(name);
    node.inputs = inputs;
    node.n_inputs = n_inputs;
    node.outputs = &output;
    node.n_outputs = 1;
    node.attrs = attrs;
    node.n_attrs = n_attrs;
    check(ledg_builder_op(builder, &node, &id, &error), &error);
    return id;
}

int main(int argc, char **argv) {
    static const uint64_t image[4] = {8, 3, 64, 64}, kernel[4] = {32, 3, 3, 3}, map[4] = {8, 32, 64, 64};
    static const uint64_t pooled[4] = {8, 32, 1, 1}, flat[2] = {8, 32}, matrix[2] = {32, 10}, scores[2] = {8, 10};
    static const int64_t pads[4] = {1, 1, 1, 1}, axis[1] = {1};
    ledg_error *error = NULL;
    ledg_builder *builder = NULL;
    ledg_graph *graph = NULL;
    ledg_model *model = NULL;
    ledg_registry *registry = NULL;
    ledg_hw *hw = NULL;
    ledg_node_costs *costs = NULL;
    ledg_node_columns columns;
    ledg_attr attr;
    uint32_t in[2];
    uint32_t value = 0;
    double *latency_s;
    double sum = 0;
    size_t i, n;

    if (argc < 2) {
        fprintf(stderr, "usage: build DEVICE\n");
        return 2;
    }
    check(ledg_builder_new(str("tiny"), NULL, &builder, &error), &error);
    check(ledg_builder_input(builder, str("image"), LEDG_F32, image, 4, &in[0], &error), &error);
    check(ledg_builder_weight(builder, str("kernel"), LEDG_F32, kernel, 4, &in[1], &error), &error);
    memset(&attr, 0, sizeof attr);
    attr.name = str("pads");
    attr.kind = LEDG_ATTR_INTS;
    attr.ints = pads;
    attr.len = 4;
    value = op(builder, "Conv", "conv", in, 2, map, 4, &attr, 1);
    value = op(builder, "Relu", "relu", &value, 1, map, 4, NULL, 0);
    value = op(builder, "GlobalAveragePool", "pool", &value, 1, pooled, 4, NULL, 0);
    attr.name = str("axis");
    attr.kind = LEDG_ATTR_INT;
    attr.ints = axis;
    attr.len = 1;
    in[0] = op(builder, "Flatten", "flat", &value, 1, flat, 2, &attr, 1);
    check(ledg_builder_weight(builder, str("matrix"), LEDG_F32, matrix, 2, &in[1], &error), &error);
    value = op(builder, "MatMul", "classify", in, 2, scores, 2, NULL, 0);
    check(ledg_builder_output(builder, value, &error), &error);
    check(ledg_builder_finish(builder, &graph, &error), &error);
    ledg_builder_free(builder);

    check(ledg_model_default(&model, &error), &error);
    check(ledg_registry_new(&registry, &error), &error);
    check(ledg_registry_get(registry, str(argv[1]), &hw, &error), &error);
    check(ledg_predict_nodes(model, graph, hw, 0, NULL, &costs, &error), &error);
    n = ledg_node_costs_count(costs);
    latency_s = malloc(n * sizeof *latency_s);
    if (latency_s == NULL) {
        return 1;
    }
    memset(&columns, 0, sizeof columns);
    columns.struct_size = sizeof columns;
    columns.len = n;
    columns.latency_s = latency_s;
    check(ledg_node_costs_columns(costs, &columns, &error), &error);
    for (i = 0; i < n; i++) {
        ledg_str name = ledg_node_costs_name(costs, i), sentence = ledg_node_costs_sentence(costs, i);
        size_t n_origins = 0;
        ledg_node_costs_origins(costs, i, &n_origins);
        printf("%.*s: %.4g s, %lu of %lu nodes, `%.*s`\n", (int)name.len, name.data, latency_s[i],
               (unsigned long)n_origins, (unsigned long)ledg_graph_node_count(graph), (int)sentence.len, sentence.data);
        sum += latency_s[i];
    }
    printf("together %.6g s on %s\n", sum, ledg_hw_name(hw).data);

    free(latency_s);
    ledg_node_costs_free(costs);
    ledg_hw_free(hw);
    ledg_registry_free(registry);
    ledg_model_free(model);
    ledg_graph_free(graph);
    return 0;
}
