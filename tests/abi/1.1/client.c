/* A client of ABI 1.1 that goes through all of it once, and predicts from many threads: client FOLDER [THREADS [PREDICTIONS]].
 * On an older library of the same major version it leaves out what that does not have.
 * It is kept as it was at the release of the ABI, with the header of then, and must work with every later libledg.so.1. The
 * sanitizer and valgrind runs use it as well. Ends with 0 if all is well, else says on which line it was not. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ledg.h>

/* New in 1.1: NULL on an older library. */
#pragma weak ledg_session_new
#pragma weak ledg_session_predict
#pragma weak ledg_session_apply
#pragma weak ledg_session_graph
#pragma weak ledg_session_free
#pragma weak ledg_registry_add_found
#pragma weak ledg_schedule_model_new
#pragma weak ledg_schedule_model_load
#pragma weak ledg_schedule_model_save
#pragma weak ledg_schedule_model_records
#pragma weak ledg_schedule_model_free
#pragma weak ledg_schedule_score
#pragma weak ledg_schedule_graph
#pragma weak ledg_model_update

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "client.c:%d: not so: %s\n", __LINE__, #condition);                                        \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static ledg_str str(const char *text) {
    ledg_str s;
    s.data = text;
    s.len = strlen(text);
    return s;
}

static void ok_at(ledg_status status, ledg_error **error, int line) {
    if (status != LEDG_OK) {
        fprintf(stderr, "client.c:%d: %s: %s\n", line, ledg_status_name(status).data, ledg_error_message(*error).data);
        exit(1);
    }
}
#define OK(call) ok_at(call, &error, __LINE__)

/* Expects a failure with a message, and frees it. */
static void fails_at(ledg_status expected, ledg_status status, ledg_error **error, int line) {
    if (status != expected || ledg_error_code(*error) != expected || ledg_error_message(*error).len == 0) {
        fprintf(stderr, "client.c:%d: %d in place of %d\n", line, status, expected);
        exit(1);
    }
    ledg_error_free(*error);
    *error = NULL;
}
#define FAILS(expected, call) fails_at(expected, call, &error, __LINE__)

static const uint64_t image[4] = {2, 3, 32, 32}, kernel[4] = {8, 3, 3, 3}, map[4] = {2, 8, 32, 32};
static const int64_t pads[4] = {1, 1, 1, 1};

static ledg_graph *build(int n_relu) {
    ledg_error *error = NULL;
    ledg_builder *builder = NULL;
    ledg_graph *graph = NULL;
    ledg_tensor output;
    ledg_attr attr;
    ledg_op op;
    uint32_t inputs[2], value;
    char name[32];
    int i;

    OK(ledg_builder_new(str("client"), NULL, &builder, &error));
    OK(ledg_builder_input(builder, str("x"), LEDG_F32, image, 4, &inputs[0], &error));
    OK(ledg_builder_weight(builder, str("w"), LEDG_F32, kernel, 4, &inputs[1], &error));
    FAILS(LEDG_E_INVALID, ledg_builder_weight(builder, str("w"), LEDG_F32, kernel, 4, &value, &error));
    memset(&output, 0, sizeof output);
    output.name = str("y");
    output.dims = map;
    output.rank = 4;
    output.dtype = LEDG_F32;
    memset(&attr, 0, sizeof attr);
    attr.name = str("pads");
    attr.kind = LEDG_ATTR_INTS;
    attr.ints = pads;
    attr.len = 4;
    memset(&op, 0, sizeof op);
    op.struct_size = sizeof op;
    op.kind = str("Conv");
    op.name = str("conv");
    op.inputs = inputs;
    op.n_inputs = 2;
    op.outputs = &output;
    op.n_outputs = 1;
    op.attrs = &attr;
    op.n_attrs = 1;
    OK(ledg_builder_op(builder, &op, &value, &error));
    op.kind = str("Relu");
    op.n_inputs = 1;
    op.n_attrs = 0;
    for (i = 0; i < n_relu; i++) {
        sprintf(name, "relu%d", i);
        op.name = output.name = str(name);
        inputs[0] = value;
        OK(ledg_builder_op(builder, &op, &value, &error));
    }
    OK(ledg_builder_output(builder, value, &error));
    OK(ledg_builder_finish(builder, &graph, &error));
    ledg_builder_free(builder);
    EXPECT(ledg_graph_node_count(graph) == (size_t)n_relu + 1);
    return graph;
}

struct work {
    const ledg_model *model;
    const ledg_graph *graphs[2];
    const ledg_hw *hw[2];
    long n;
    double expected[4];
};

static void ask(const struct work *work, double latency_s[4]) {
    const ledg_graph *graphs[4];
    const ledg_hw *hw[4];
    ledg_status status[4];
    ledg_error *error = NULL;
    ledg_columns columns;
    ledg_batch batch;
    int i;

    for (i = 0; i < 4; i++) {
        graphs[i] = work->graphs[i / 2];
        hw[i] = work->hw[i % 2];
    }
    memset(&batch, 0, sizeof batch);
    batch.struct_size = sizeof batch;
    batch.n = batch.n_graphs = batch.n_hw = 4;
    batch.graphs = graphs;
    batch.hw = hw;
    memset(&columns, 0, sizeof columns);
    columns.struct_size = sizeof columns;
    columns.len = 4;
    columns.latency_s = latency_s;
    columns.status = status;
    OK(ledg_predict(work->model, &batch, NULL, &columns, &error));
    for (i = 0; i < 4; i++) {
        EXPECT(status[i] == LEDG_OK && latency_s[i] > 0);
    }
}

static void *predict_often(void *argument) {
    const struct work *work = argument;
    double latency_s[4];
    long i;

    for (i = 0; i < work->n; i += 4) {
        ask(work, latency_s);
        EXPECT(memcmp(latency_s, work->expected, sizeof latency_s) == 0);
    }
    return NULL;
}

/* A session's answers are those of full queries on the edited graph; what makes no sense fails alone. */
static void edit(const ledg_model *model, const ledg_graph *graph, ledg_hw *const hw[2]) {
    static const int64_t strides[2] = {2, 2};
    const ledg_hw *on[2];
    const uint64_t sizes[2] = {8, 1};
    ledg_session *session = NULL, *none = NULL;
    ledg_graph *single = NULL, *edited = NULL;
    ledg_error *error = NULL;
    ledg_candidate candidates[4];
    ledg_edit edits[4];
    ledg_attr attr;
    ledg_str input;
    ledg_columns columns;
    ledg_batch batch;
    double latency_s[8], expected[2];
    ledg_status status[8];
    int i;

    on[0] = hw[0];
    on[1] = hw[1];
    OK(ledg_graph_with_batch(graph, 1, &single, &error));
    FAILS(LEDG_E_GRAPH, ledg_session_new(model, graph, on, 2, sizes, 2, &none, &error));
    FAILS(LEDG_E_NULL, ledg_session_new(model, single, on, 2, NULL, 2, &none, &error));
    FAILS(LEDG_E_INVALID, ledg_session_new(model, single, on, 0, NULL, 0, &none, &error));
    EXPECT(none == NULL);
    OK(ledg_session_new(model, single, on, 2, sizes, 2, &session, &error));

    memset(&attr, 0, sizeof attr);
    attr.name = str("strides");
    attr.kind = LEDG_ATTR_INTS;
    attr.ints = strides;
    attr.len = 2;
    memset(edits, 0, sizeof edits);
    edits[0].kind = LEDG_EDIT_REPLACE;
    edits[0].node = str("relu0");
    edits[0].op = str("Sigmoid");
    edits[1].kind = LEDG_EDIT_ATTRIBUTE;
    edits[1].node = str("conv");
    edits[1].attrs = &attr;
    edits[1].n_attrs = 1;
    input = str("relu0");
    edits[2].kind = LEDG_EDIT_INSERT;
    edits[2].node = edits[2].value = str("more");
    edits[2].op = str("Tanh");
    edits[2].inputs = &input;
    edits[2].n_inputs = 1;
    edits[2].dims = map;
    edits[2].rank = 4;
    edits[2].dtype = LEDG_F32;
    edits[2].replaces = input;
    edits[3].kind = LEDG_EDIT_REMOVE;
    edits[3].node = str("nobody");
    memset(candidates, 0, sizeof candidates);
    candidates[1].edits = edits;
    candidates[1].n_edits = 2;
    candidates[2].edits = &edits[2];
    candidates[2].n_edits = 1;
    candidates[3].edits = &edits[2];
    candidates[3].n_edits = 2;
    memset(&columns, 0, sizeof columns);
    columns.struct_size = sizeof columns;
    columns.len = 7;
    columns.latency_s = latency_s;
    columns.status = status;
    FAILS(LEDG_E_INVALID, ledg_session_predict(session, candidates, 4, NULL, &columns, &error));
    columns.len = 8;
    OK(ledg_session_predict(session, candidates, 4, NULL, &columns, &error));
    for (i = 0; i < 8; i++) {
        EXPECT(status[i] == (i < 6 ? LEDG_OK : LEDG_E_EDIT) && (i < 6 ? latency_s[i] > 0 : isnan(latency_s[i])));
    }
    FAILS(LEDG_E_EDIT, ledg_session_apply(session, &candidates[3], &error));
    OK(ledg_session_apply(session, &candidates[1], &error));
    OK(ledg_session_graph(session, &edited, &error));
    memset(&batch, 0, sizeof batch);
    batch.struct_size = sizeof batch;
    batch.n = batch.n_hw = batch.n_batch_sizes = 2;
    batch.n_graphs = 1;
    batch.graphs = (const ledg_graph *const *)&edited;
    batch.hw = on;
    batch.batch_sizes = sizes;
    columns.latency_s = expected;
    OK(ledg_predict(model, &batch, NULL, &columns, &error));
    for (i = 0; i < 2; i++) {
        EXPECT(fabs(latency_s[2 + i] / expected[i] - 1) < 1e-6);
    }
    ledg_graph_free(edited);
    ledg_graph_free(single);
    ledg_session_free(session);
    ledg_session_free(NULL);
}

static void on_log(void *user, int32_t level, ledg_str message) {
    (void)level;
    EXPECT(message.len > 0);
    ++*(int *)user;
}

/* A schedule model refuses to score until it learned, then ranks; a trace that is none fails alone. */
static void schedules(const char *folder) {
    const char *task = "{\"name\":\"t\",\"blocks\":[{\"name\":\"B\",\"axes\":[{\"extent\":64,\"reduce\":false}],\"flops\":1,"
                       "\"accesses\":[{\"buffer\":\"A\",\"element_bytes\":4,\"write\":false,\"dims\":[[[0,1]]]},"
                       "{\"buffer\":\"B\",\"element_bytes\":4,\"write\":true,\"dims\":[[[0,1]]]}]}]}";
    ledg_schedule_model *untrained = NULL, *model = NULL, *loaded = NULL;
    ledg_string *text = NULL;
    ledg_error *error = NULL;
    ledg_str traces[3];
    ledg_status status[3] = {7, 7, 7};
    double scores[3] = {7, 7, 7}, again[2];
    char path[1024], records[2048];

    traces[0] = str("b0 = sch.get_sblock(name='B')\nl1, = sch.get_loops(block=b0)\nsch.vectorize(loop=l1)");
    traces[1] = str("b0 = sch.get_sblock(name='B')\nl1, = sch.get_loops(block=b0)\nsch.unroll(loop=l1)");
    traces[2] = str("this is no trace");
    OK(ledg_schedule_model_new(1, &untrained, &error));
    EXPECT(ledg_schedule_model_records(untrained) == 0);
    FAILS(LEDG_E_MODEL, ledg_schedule_score(untrained, str(task), traces, 2, scores, status, &error));
    EXPECT(scores[0] == 7 && status[0] == 7);
    sprintf(records,
            "{\"version\":1,\"task\":%s}\n"
            "{\"version\":1,\"of\":\"t\",\"trace\":\"b0 = sch.get_sblock(name='B')\\nl1, = sch.get_loops(block=b0)\\n"
            "sch.vectorize(loop=l1)\",\"runs_s\":[1e-6,1.1e-6]}\n"
            "{\"version\":1,\"of\":\"t\",\"trace\":\"b0 = sch.get_sblock(name='B')\\nl1, = sch.get_loops(block=b0)\\n"
            "sch.unroll(loop=l1)\",\"failed\":\"timeout\"}\n",
            task);
    OK(ledg_model_update(untrained, str(records), &model, &error));
    EXPECT(ledg_schedule_model_records(model) == 2);
    OK(ledg_schedule_score(model, str(task), traces, 3, scores, status, &error));
    EXPECT(status[0] == LEDG_OK && status[1] == LEDG_OK && status[2] != LEDG_OK && isnan(scores[2]));
    EXPECT(scores[0] > scores[1]);
    sprintf(path, "%s/schedules.ledg", folder);
    OK(ledg_schedule_model_save(model, str(path), &error));
    OK(ledg_schedule_model_load(str(path), &loaded, &error));
    OK(ledg_schedule_score(loaded, str(task), traces, 2, again, NULL, &error));
    EXPECT(again[0] == scores[0] && again[1] == scores[1]);
    OK(ledg_schedule_graph(model, str(task), traces[0], &text, &error));
    EXPECT(ledg_string_view(text).len > 10);
    ledg_string_free(text);
    ledg_schedule_model_free(untrained);
    ledg_schedule_model_free(model);
    ledg_schedule_model_free(loaded);
    ledg_schedule_model_free(NULL);
}

int main(int argc, char **argv) {
    ledg_error *error = NULL;
    ledg_model *model = NULL, *calibrated = NULL, *loaded = NULL;
    ledg_registry *registry = NULL;
    ledg_records *records = NULL;
    ledg_node_costs *costs = NULL;
    ledg_cancel *cancel = NULL;
    ledg_string *text = NULL;
    ledg_graph *graph = NULL, *again = NULL;
    ledg_hw *hw[2] = {NULL, NULL};
    ledg_model_info info;
    ledg_predict_opts opts;
    ledg_batch batch;
    ledg_columns columns;
    struct {
        ledg_predict_opts known;
        uint64_t later;
    } newer;
    struct work work;
    pthread_t threads[64];
    uint8_t hash[2][32];
    double runs[3], latency_s = 7, share = 0, score = 0;
    uint64_t batch_sizes[1] = {0};
    ledg_status status = 7;
    size_t n = 0;
    int n_threads = argc > 2 ? atoi(argv[2]) : 4, messages = 0, older, i;
    char path[4096];

    EXPECT(argc > 1 && strlen(argv[1]) < 4000 && n_threads <= 64);
    older = (ledg_abi_version() & 0xFFFF) < LEDG_ABI_MINOR;
    EXPECT(ledg_abi_check(LEDG_ABI_MAJOR, LEDG_ABI_MINOR) == (older ? LEDG_E_ABI : LEDG_OK));
    EXPECT(ledg_abi_check(LEDG_ABI_MAJOR, 0) == LEDG_OK);
    EXPECT(ledg_abi_check(LEDG_ABI_MAJOR + 1, 0) == LEDG_E_ABI);
    EXPECT(ledg_abi_version() >> 16 == LEDG_ABI_MAJOR && ledg_version().len > 0);
    EXPECT(strcmp(ledg_status_name(LEDG_E_UTF8).data, "LEDG_E_UTF8") == 0);
    ledg_set_log(on_log, &messages, LEDG_LOG_INFO);

    OK(ledg_model_default(&model, &error));
    memset(&info, 0, sizeof info);
    FAILS(LEDG_E_STRUCT_SIZE, ledg_model_get_info(model, &info, &error));
    info.struct_size = sizeof info;
    OK(ledg_model_get_info(model, &info, &error));
    EXPECT((info.capabilities & LEDG_CAP_PREDICT) && info.members > 0 && info.date.len == 10);

    OK(ledg_registry_new(&registry, &error));
    EXPECT(ledg_registry_count(registry) > 100 && ledg_registry_name(registry, 0).len > 0);
    EXPECT(ledg_registry_name(registry, 1000000).len == 0);
    OK(ledg_registry_get(registry, str("t4"), &hw[0], &error));
    OK(ledg_registry_get(registry, str("rtx3090"), &hw[1], &error));
    FAILS(LEDG_E_HARDWARE, ledg_registry_get(registry, str("no such chip"), &hw[0], &error));
    FAILS(LEDG_E_PARSE, ledg_registry_add_toml(registry, str("bad.toml"), str("= 1"), &error));

    graph = build(2);
    OK(ledg_graph_to_json(graph, &text, &error));
    OK(ledg_graph_from_json(ledg_string_view(text), NULL, &again, &error));
    ledg_string_free(text);
    OK(ledg_graph_hash(graph, hash[0], &error));
    OK(ledg_graph_hash(again, hash[1], &error));
    EXPECT(memcmp(hash[0], hash[1], 32) == 0);
    ledg_graph_free(again);
    OK(ledg_graph_with_batch(graph, 4, &again, &error));
    ledg_graph_free(again);
    FAILS(LEDG_E_PARSE, ledg_graph_from_json(str("{"), NULL, &again, &error));
    FAILS(LEDG_E_PARSE, ledg_graph_from_onnx(str("x"), hash[0], 32, NULL, &again, &error));
    FAILS(LEDG_E_IO, ledg_graph_from_onnx_file(str("/nowhere.onnx"), NULL, &again, &error));
    OK(ledg_graph_coverage(model, graph, &share, &n, &error));
    EXPECT(share == 1 && n == 0);
    OK(ledg_explain(model, graph, LEDG_EXPLAIN_MASKS, &text, &error));
    EXPECT(strstr(ledg_string_view(text).data, "ParamL Conv 3") != NULL);
    ledg_string_free(text);

    OK(ledg_predict_nodes(model, graph, hw[0], 0, NULL, &costs, &error));
    EXPECT(ledg_node_costs_count(costs) > 0 && ledg_node_costs_op(costs, 0).len > 0);
    EXPECT(ledg_node_costs_origins(costs, 0, &n) != NULL && n > 0);
    ledg_node_costs_free(costs);

    /* Failures leave outputs alone; a row that fails does so alone. */
    memset(&batch, 0, sizeof batch);
    batch.struct_size = sizeof batch;
    batch.n = batch.n_graphs = batch.n_hw = 1;
    batch.graphs = (const ledg_graph *const *)&graph;
    batch.hw = (const ledg_hw *const *)&hw[0];
    memset(&columns, 0, sizeof columns);
    columns.struct_size = sizeof columns;
    columns.len = 1;
    columns.latency_s = &latency_s;
    columns.status = &status;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.coverage = NAN;
    FAILS(LEDG_E_INTERVAL, ledg_predict(model, &batch, &opts, &columns, &error));
    opts.coverage = 0.8;
    OK(ledg_cancel_new(&cancel, &error));
    ledg_cancel_request(cancel);
    opts.cancel = cancel;
    FAILS(LEDG_E_CANCELLED, ledg_predict(model, &batch, &opts, &columns, &error));
    opts.cancel = NULL;
    ledg_cancel_free(cancel);
    memset(&newer, 0, sizeof newer);
    newer.known.struct_size = sizeof newer;
    newer.later = 1;
    FAILS(LEDG_E_STRUCT_SIZE, ledg_predict(model, &batch, &newer.known, &columns, &error));
    EXPECT(latency_s == 7 && status == 7);
    newer.later = 0;
    OK(ledg_predict(model, &batch, &newer.known, &columns, &error));
    EXPECT(status == LEDG_OK && latency_s > 0);
    OK(ledg_rank_scores(model, &batch, &opts, &score, NULL, 1, &error));
    EXPECT(score == -log(latency_s));
    batch.batch_sizes = batch_sizes;
    batch.n_batch_sizes = 1;
    messages = 0;
    OK(ledg_predict(model, &batch, NULL, &columns, &error));
    EXPECT(status == LEDG_E_GRAPH && isnan(latency_s) && messages == 1);

    EXPECT(((info.capabilities & LEDG_CAP_DELTA) == 0) == older);
    if (!older) {
        messages = 0;
        edit(model, graph, hw);
        EXPECT(messages == 2);
        EXPECT((info.capabilities & LEDG_CAP_SCHEDULES) != 0 && (info.capabilities & LEDG_CAP_UPDATE) != 0);
        schedules(argv[1]);
    }

    /* Calibration gives a new model; it survives its file. */
    OK(ledg_rank_scores(model, &batch, NULL, &score, &status, 1, &error));
    batch.n_batch_sizes = 0;
    OK(ledg_predict(model, &batch, NULL, &columns, &error));
    for (i = 0; i < 3; i++) {
        runs[i] = 2 * latency_s;
    }
    share = latency_s;
    OK(ledg_records_new(&records, &error));
    OK(ledg_records_push(records, graph, hw[0], 2, runs, 3, &error));
    OK(ledg_records_push_failed(records, graph, hw[1], 2, str("no memory"), &error));
    runs[0] = INFINITY;
    FAILS(LEDG_E_RECORDS, ledg_records_push(records, graph, hw[0], 2, runs, 3, &error));
    EXPECT(ledg_records_count(records) == 2);
    OK(ledg_model_calibrate(model, records, &calibrated, &error));
    OK(ledg_predict(calibrated, &batch, NULL, &columns, &error));
    EXPECT(latency_s > 1.8 * share && latency_s < 2 * share);
    sprintf(path, "%s/client.jsonl", argv[1]);
    OK(ledg_records_save(records, str(path), &error));
    ledg_records_free(records);
    OK(ledg_records_load(str(path), registry, &records, &error));
    EXPECT(ledg_records_count(records) == 2);
    ledg_records_free(records);
    sprintf(path, "%s/client.ledg", argv[1]);
    OK(ledg_model_save(calibrated, str(path), &error));
    OK(ledg_model_load(str(path), &loaded, &error));
    share = latency_s;
    OK(ledg_predict(loaded, &batch, NULL, &columns, &error));
    EXPECT(latency_s == share);
    FAILS(LEDG_E_MODEL, ledg_model_load_bytes(hash[0], 32, &loaded, &error));
    ledg_model_free(loaded);
    ledg_model_free(calibrated);

    /* Many threads on one model get the bits of one. */
    memset(&work, 0, sizeof work);
    work.model = model;
    work.graphs[0] = graph;
    work.graphs[1] = build(5);
    work.hw[0] = hw[0];
    work.hw[1] = hw[1];
    work.n = argc > 3 ? atol(argv[3]) : 40;
    again = build(5);
    graph = again; /* work.graphs[1] is met first by the threads, its twin by the expectation */
    {
        struct work twin = work;
        twin.graphs[1] = graph;
        ask(&twin, work.expected);
    }
    for (i = 0; i < n_threads; i++) {
        EXPECT(pthread_create(&threads[i], NULL, predict_often, &work) == 0);
    }
    for (i = 0; i < n_threads; i++) {
        EXPECT(pthread_join(threads[i], NULL) == 0);
    }

    ledg_set_log(NULL, NULL, 0);
    ledg_graph_free(again);
    ledg_graph_free((ledg_graph *)work.graphs[0]);
    ledg_graph_free((ledg_graph *)work.graphs[1]);
    ledg_hw_free(hw[0]);
    ledg_hw_free(hw[1]);
    ledg_registry_free(registry);
    ledg_model_free(model);
    ledg_error_free(NULL);
    ledg_string_free(NULL);
    ledg_graph_free(NULL);
    ledg_hw_free(NULL);
    ledg_registry_free(NULL);
    ledg_model_free(NULL);
    ledg_builder_free(NULL);
    ledg_records_free(NULL);
    ledg_node_costs_free(NULL);
    ledg_cancel_free(NULL);
    printf("client of ABI 1.1: all is well\n");
    return 0;
}
