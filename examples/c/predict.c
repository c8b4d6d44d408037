/* Predicts an ONNX model on two devices: predict MODEL.onnx DEVICE DEVICE [BATCH] */
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

/* Ends the program with the message of a failed call. The error is passed by its place: C does not say whether an argument
 * is read before or after the call beside it. */
static void check(ledg_status status, ledg_error **error) {
    if (status != LEDG_OK) {
        fprintf(stderr, "predict: %s: %s\n", ledg_status_name(status).data, ledg_error_message(*error).data);
        ledg_error_free(*error);
        exit(1);
    }
}

int main(int argc, char **argv) {
    ledg_error *error = NULL;
    ledg_model *model = NULL;
    ledg_registry *registry = NULL;
    ledg_graph *graph = NULL;
    ledg_hw *hw[2] = {NULL, NULL};
    const ledg_graph *graphs[1];
    const ledg_hw *platforms[2];
    double latency_s[2], lo_s[2], hi_s[2], known[2];
    ledg_status status[2];
    uint64_t batch_size = 0;
    ledg_batch batch;
    ledg_columns columns;
    int i;

    if (argc < 4) {
        fprintf(stderr, "usage: predict MODEL.onnx DEVICE DEVICE [BATCH]\n");
        return 2;
    }
    if (ledg_abi_check(LEDG_ABI_MAJOR, LEDG_ABI_MINOR) != LEDG_OK) {
        fprintf(stderr, "predict: libledg serves another version of the ABI\n");
        return 1;
    }
    if (argc > 4) {
        batch_size = (uint64_t)strtoul(argv[4], NULL, 10);
    }
    check(ledg_model_default(&model, &error), &error);
    check(ledg_registry_new(&registry, &error), &error);
    check(ledg_graph_from_onnx_file(str(argv[1]), NULL, &graph, &error), &error);
    for (i = 0; i < 2; i++) {
        check(ledg_registry_get(registry, str(argv[2 + i]), &hw[i], &error), &error);
        platforms[i] = hw[i];
    }

    graphs[0] = graph;
    memset(&batch, 0, sizeof batch);
    batch.struct_size = sizeof batch;
    batch.n = 2;
    batch.graphs = graphs;
    batch.n_graphs = 1;
    batch.hw = platforms;
    batch.n_hw = 2;
    batch.batch_sizes = &batch_size;
    batch.n_batch_sizes = batch_size > 0 ? 1 : 0;
    memset(&columns, 0, sizeof columns);
    columns.struct_size = sizeof columns;
    columns.len = 2;
    columns.latency_s = latency_s;
    columns.lo_s = lo_s;
    columns.hi_s = hi_s;
    columns.known = known;
    columns.status = status;
    check(ledg_predict(model, &batch, NULL, &columns, &error), &error);

    for (i = 0; i < 2; i++) {
        if (status[i] != LEDG_OK) {
            printf("%s: %s\n", ledg_hw_name(hw[i]).data, ledg_status_name(status[i]).data);
        } else {
            printf("%s: %.6g s, between %.6g and %.6g, %.0f %% known\n", ledg_hw_name(hw[i]).data, latency_s[i], lo_s[i],
                   hi_s[i], 100 * known[i]);
        }
        ledg_hw_free(hw[i]);
    }
    ledg_graph_free(graph);
    ledg_registry_free(registry);
    ledg_model_free(model);
    return 0;
}
