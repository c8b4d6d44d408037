//! Numbers of small nests, worked out by hand.

use ledg_schedule::{NUMBER_NAMES, ScheduleGraph, ScheduleNode, ScheduleWords, Task};

/// C[i,j] += A[i,k] · B[k,j] with 8, 16 and 4 iterations, f32.
fn matmul() -> Task {
    let task = r#"{"name":"matmul","blocks":[{"name":"C","flops":2.0,
        "axes":[{"extent":8,"reduce":false},{"extent":16,"reduce":false},{"extent":4,"reduce":true}],
        "accesses":[{"buffer":"A","element_bytes":4,"write":false,"dims":[[[0,1]],[[2,1]]]},
                    {"buffer":"B","element_bytes":4,"write":false,"dims":[[[2,1]],[[1,1]]]},
                    {"buffer":"C","element_bytes":4,"write":true,"dims":[[[0,1]],[[1,1]]]}]}]}"#;
    Task::from_json(task).unwrap()
}

const HEAD: &str = "b0 = sch.get_sblock(name=\"C\", func_name=\"main\")\nl1, l2, l3 = sch.get_loops(block=b0)\n";

fn graph(trace: &str) -> ScheduleGraph {
    ScheduleGraph::new(&matmul(), &format!("{HEAD}{trace}"), ScheduleWords::builtin().unwrap()).unwrap()
}

fn nodes<'a>(graph: &'a ScheduleGraph, sentence: &str) -> Vec<&'a ScheduleNode> {
    graph.nodes.iter().filter(|n| n.sentence == sentence).collect()
}

/// Compares numbers of a node, by name, to what is expected.
fn check(node: &ScheduleNode, expect: &[(&str, f64)]) {
    for (name, expected) in expect {
        let place = NUMBER_NAMES.iter().position(|n| n == name).unwrap_or_else(|| panic!("no number `{name}`"));
        let found = f64::from(node.numbers[place]);
        assert!((found - expected).abs() < 1e-5, "{name}: {found}, expected {expected}");
    }
}

fn log(x: f64) -> f64 {
    (1.0 + x).log2()
}

#[test]
fn a_vectorised_matrix_product() {
    // for i in 8: for k in 4: vectorised j in 16
    let graph = graph("sch.reorder(l1, l3, l2)\nsch.vectorize(loop=l2)\n");
    let block = nodes(&graph, "Block reduction")[0];
    // Level by level, inwards: lines of C, A, B are 8 + 2 + 4, 1 + 1 + 4, 1 + 1 + 1; the data 896, 384 and 192 bytes.
    // Loaded whenever a level is begun, that is 896, 384 · 8 = 3072 and 192 · 32 = 6144 bytes.
    let between = (512f64 / 384.0).log2() / (896f64 / 384.0).log2();
    let at_512 = 3072.0 * (896f64 / 3072.0).powf(between);
    check(
        block,
        &[
            ("log2 vector lanes", log(16.0)),
            ("share of 8 lanes used", 1.0),
            ("share of 16 lanes used", 1.0),
            ("log2 extent of the innermost loop", log(16.0)),
            ("spatial", 1.0),
            // j moves C and B by an element and leaves A where it is.
            ("step of access 1, log2 bytes", log(4.0)),
            ("step of access 2, log2 bytes", 0.0),
            ("step of access 3, log2 bytes", log(4.0)),
            // Inside of k: a row of 16 elements of C, one of A and 16 of B in 16 iterations.
            ("log2 elements written inside the innermost reduction", log(16.0)),
            ("elements read by iteration inside the innermost reduction, log2", log(17.0 / 16.0)),
            ("log2 iterations of the innermost run of reductions", log(4.0)),
            ("log2 copies of the statement unrolled", log(1.0)),
            ("iterations by those of the untouched block, log2", 0.0),
            ("share of the task's flops", 1.0),
            ("log2 parallel iterations", log(1.0)),
            ("log2 blocks inlined", 0.0),
            ("traffic at 512 B by iteration, log2 bytes", (at_512 / 512.0).log2()),
            ("traffic at 32 KiB by iteration, log2 bytes", (896f64 / 512.0).log2()),
            ("traffic at 512 KiB by iteration, log2 bytes", (896f64 / 512.0).log2()),
            ("traffic at 8 MiB by iteration, log2 bytes", (896f64 / 512.0).log2()),
        ],
    );
    // k: C stays, A moves by an element, B by a row of 64 bytes.
    check(
        nodes(&graph, "Loop reduction")[0],
        &[
            ("step of access 1, log2 bytes", 0.0),
            ("step of access 2, log2 bytes", log(4.0)),
            ("step of access 3, log2 bytes", log(64.0)),
            ("log2 cache lines of access 1", log(1.0)),
            ("log2 cache lines of access 2", log(1.0)),
            ("log2 cache lines of access 3", log(4.0)),
            ("unrolled by the limit", 0.0),
        ],
    );
    check(nodes(&graph, "Loop spatial vectorized")[0], &[("log2 vector lanes", log(16.0))]);
}

#[test]
fn lanes_that_do_not_fill_registers() {
    // 16 = 4 · 4: half of 8 lanes, a quarter of 16.
    let graph =
        graph("l4, l5 = sch.split(loop=l2, factors=[4, 4])\nsch.reorder(l1, l4, l3, l5)\nsch.vectorize(loop=l5)\n");
    let expect = [("log2 vector lanes", log(4.0)), ("share of 8 lanes used", 0.5), ("share of 16 lanes used", 0.25)];
    check(nodes(&graph, "Block reduction")[0], &expect);
}

#[test]
fn a_target_has_vectors_of_its_own_and_those_of_avx2_where_nothing_is_said() {
    let trace =
        format!("{HEAD}sch.reorder(l1, l3, l2)\nl4, l5 = sch.split(loop=l2, factors=[2, 8])\nsch.vectorize(loop=l5)\n");
    let seen = |task: &Task, bytes: f64, share: f64| {
        let graph = ScheduleGraph::new(task, &trace, ScheduleWords::builtin().unwrap()).unwrap();
        for sentence in ["Block reduction", "Loop spatial vectorized"] {
            let expect = [
                ("log2 bytes of the target's vector registers", bytes.log2()),
                ("share of the target's lanes used", share),
            ];
            check(nodes(&graph, sentence)[0], &expect);
        }
    };
    seen(&matmul(), 32.0, 1.0);
    seen(&Task { vector_bytes: 64, ..matmul() }, 64.0, 0.5);
    let wrong = Task { vector_bytes: 48, ..matmul() }.check().unwrap_err().to_string();
    assert_eq!(wrong, "task `matmul`: `vector_bytes`: is 48, must be a power of two to 256");
}

#[test]
fn loops_within_the_limit_are_unrolled() {
    let limit = "sch.annotate(block_or_loop=l1, ann_key=\"pragma_auto_unroll_max_step\", ann_val=16)\n";
    // 4 copies are within 16; 32 are not. The vectorised loop counts as one.
    let graph = graph(&format!("sch.reorder(l1, l3, l2)\nsch.vectorize(loop=l2)\n{limit}"));
    check(nodes(&graph, "Block reduction")[0], &[("log2 copies of the statement unrolled", log(4.0))]);
    let copies = [("unrolled by the limit", 1.0), ("log2 copies of the statement unrolled", log(4.0))];
    check(nodes(&graph, "Loop reduction")[0], &copies);
    check(nodes(&graph, "Loop spatial")[0], &[("unrolled by the limit", 0.0)]);
}

#[test]
fn loops_around_several_blocks_are_seen_from_the_one_whose_axes_they_move_along() {
    let graph = graph("sch.parallel(loop=l1)\nb4 = sch.decompose_reduction(block=b0, loop=l3)\n");
    // i and j enclose the initial values and the update; i runs over 8 · 16 · 4 iterations of the update.
    let outer = nodes(&graph, "Loop spatial parallel")[0];
    check(outer, &[("log2 iterations inside", log(512.0)), ("log2 cache lines of access 3", log(4.0))]);
    // The initial values move along the same axes: 128 elements of C in 8 lines, 512 bytes in 128 iterations.
    check(
        nodes(&graph, "Block init")[0],
        &[
            ("log2 bytes written", log(512.0)),
            ("log2 cache lines of access 1", log(8.0)),
            ("traffic at 32 KiB by iteration, log2 bytes", 2.0),
            ("iterations by those of the untouched block, log2", 0.0),
            ("log2 parallel iterations", log(8.0)),
        ],
    );
}

#[test]
fn a_body_and_what_it_costs() {
    // for i in 8: for k in 4: vectorised j in 16. LLVM makes straight code of the 4 copies, not of 32. Registers of 8 floats.
    let graph = graph("sch.reorder(l1, l3, l2)\nsch.vectorize(loop=l2)\n");
    // A row of C is loaded and stored in 2 registers, 4 values of A, 4 · 2 registers of B; 4 · 2 multiply-adds; the loop.
    let (memory, work) = (2.0 + 2.0 + 4.0 + 8.0, 8.0);
    check(
        nodes(&graph, "Block reduction")[0],
        &[
            ("log2 instructions of it that touch memory", f64::log2(memory)),
            ("log2 instructions of the unrolled body", f64::log2(memory + work + 1.0)),
            ("log2 of results over registers", f64::log2(2.0 / 16.0)),
            ("log2 bodies that results stay in registers for", 0.0),
            ("log2 instructions by iteration", f64::log2((memory + work + 1.0) / 64.0)),
            ("share of accesses lane by lane", 0.0),
            ("share of the body that takes vectors apart", 0.0),
            ("share of the program's cycles, estimated", 1.0),
        ],
    );
}

/// C[i,j] += A[i,k] · B[k,j] of any size, f32.
fn matmul_of(rows: u64, columns: u64, depth: u64, vector_bytes: u64) -> Task {
    let mut task = matmul();
    for (axis, extent) in task.blocks[0].axes.iter_mut().zip([rows, columns, depth]) {
        axis.extent = extent;
    }
    Task { vector_bytes, ..task }
}

#[test]
fn vectors_that_are_no_power_of_two_come_apart_where_they_fill_no_register() {
    let trace = format!("{HEAD}sch.reorder(l1, l3, l2)\nsch.vectorize(loop=l2)\n");
    let of = |task: &Task| ScheduleGraph::new(task, &trace, ScheduleWords::builtin().unwrap()).unwrap();
    // C stays for all of k. A value of A and 8 + 4 of B are loaded, two multiply-adds; 12 lanes are put together and taken apart.
    let memory = 1.0 + 2.0 + 2.0 * 2.0 / 64.0;
    let body = memory + 2.0 + 3.0 * 12.0 + 1.0;
    check(
        nodes(&of(&matmul_of(8, 12, 64, 32)), "Block reduction")[0],
        &[
            ("log2 bodies that results stay in registers for", 6.0),
            ("log2 instructions of it that touch memory", f64::log2(memory)),
            ("log2 instructions of the unrolled body", f64::log2(body)),
            ("share of the body that takes vectors apart", 36.0 / body),
        ],
    );
    // A register of 16 floats carries 12 as if they were 16; they are loaded and stored as 8 + 4.
    let memory = 1.0 + 2.0 + 2.0 * 2.0 / 64.0;
    check(
        nodes(&of(&matmul_of(8, 12, 64, 64)), "Block reduction")[0],
        &[
            ("log2 instructions of the unrolled body", f64::log2(memory + 1.0 + 1.0)),
            ("share of the body that takes vectors apart", 0.0),
        ],
    );
}

#[test]
fn copies_side_by_side_are_vectors() {
    // for k in 64: unrolled j in 16; a reduction is around them, so that LLVM makes vectors of the copies.
    let trace = format!("{HEAD}sch.reorder(l3, l1, l2)\nsch.unroll(loop=l1)\nsch.unroll(loop=l2)\n");
    let graph = ScheduleGraph::new(&matmul_of(2, 16, 64, 32), &trace, ScheduleWords::builtin().unwrap()).unwrap();
    // 2 values of A and 2 registers of B; the 4 registers of C stay; 4 multiply-adds; the loop.
    let memory = 2.0 + 2.0 + 2.0 * 4.0 / 64.0;
    check(
        nodes(&graph, "Block reduction")[0],
        &[
            ("log2 instructions of it that touch memory", f64::log2(memory)),
            ("log2 instructions of the unrolled body", f64::log2(memory + 4.0 + 1.0)),
        ],
    );
    // A spatial loop around them is what LLVM would make vectors of.
    let trace = format!("{HEAD}sch.reorder(l3, l1, l2)\nsch.unroll(loop=l2)\n");
    let graph = ScheduleGraph::new(&matmul_of(64, 16, 2, 32), &trace, ScheduleWords::builtin().unwrap()).unwrap();
    // A value of A, 16 of B, and 16 of C that are loaded and stored.
    let memory = 1.0 + 16.0 + 2.0 * 16.0;
    check(nodes(&graph, "Block reduction")[0], &[("log2 instructions of it that touch memory", f64::log2(memory))]);
}

#[test]
fn what_does_not_fit_into_registers_is_loaded_again() {
    // Unrolled i in 4, then unrolled k in 16, then 8 lanes of j: 1 + 16 + 16 registers are needed before B is used again.
    let trace =
        format!("{HEAD}sch.reorder(l1, l3, l2)\nsch.unroll(loop=l1)\nsch.unroll(loop=l3)\nsch.vectorize(loop=l2)\n");
    let memory = |columns: u64, depth: u64, vector_bytes: u64, expected: f64| {
        let task = matmul_of(4, columns, depth, vector_bytes);
        let graph = ScheduleGraph::new(&task, &trace, ScheduleWords::builtin().unwrap()).unwrap();
        check(nodes(&graph, "Block reduction")[0], &[("log2 instructions of it that touch memory", expected.log2())]);
    };
    // 64 values of A; 16 of B for each i; 4 of C, loaded and stored.
    memory(8, 16, 32, 64.0 + 4.0 * 16.0 + 8.0);
    // 33 registers are one more than the 32 of a target with longer ones; 17 are not, so that 8 of B are loaded once.
    memory(16, 16, 64, 64.0 + 4.0 * 16.0 + 8.0);
    memory(16, 8, 64, 32.0 + 8.0 + 8.0);
}

#[test]
fn a_schedule_has_an_estimate_by_all_rules() {
    let cycles = |task: &Task, trace: &str, straight: f64, bodies: f64| {
        let trace = format!("{HEAD}{trace}");
        let found = ScheduleGraph::new(task, &trace, ScheduleWords::builtin().unwrap()).unwrap().cycles;
        let extents: Vec<f64> = task.blocks[0].axes.iter().map(|a| a.extent as f64).collect();
        let &[i, j, k] = &extents[..] else { panic!("three axes") };
        // The longest of all instructions, those that touch memory and multiply-adds, half a cycle for the loop; each level of the
        // caches takes everything in once, to the extent that it does not stay.
        let bytes = 4.0 * (i * k + k * j + i * j);
        let levels = [(32768.0, 64.0), (524288.0, 32.0), (8388608.0, 12.0)];
        let caches: f64 = levels.iter().map(|(capacity, rate)| (bytes / capacity).powi(2) * bytes / rate).sum();
        let expected = (((straight + 0.5) * bodies + caches) / (i * j * k)).log2();
        assert!((found - expected).abs() < 1e-6, "{trace}: {found}, expected {expected}");
    };
    // for i: for j in 16: straight k in 4: 8 lanes of j. Four values of A are loaded before the loop over j; four registers of B; C.
    let memory = 4.0 / 16.0 + 4.0 + 2.0;
    cycles(
        &matmul_of(8, 128, 4, 32),
        "l4, l5 = sch.split(loop=l2, factors=[16, 8])\nsch.reorder(l1, l4, l3, l5)\nsch.vectorize(loop=l5)\n",
        memory / 1.5,
        128.0,
    );
    // for i: for k in 64: j in 64: eight vectors that LLVM makes, in straight code; all of C stays for 64 of k. A sum waits for the one
    // before it as far as 160 instructions ahead do not help.
    let count = 1.0 + 8.0 + 16.0 / 64.0 + 8.0 + 1.0;
    cycles(&matmul_of(8, 64, 64, 32), "sch.reorder(l1, l3, l2)\n", 8.0 / (1.0 + 160.0 / (count * 64.0)), 512.0);
    // for k in 64: straight i in 24: 8 lanes. 24 results come and go, 11 of them do not fit beside two registers and a row of B.
    let memory = 24.0 + 1.0 + 48.0 / 64.0 + 2.0 * (24.0 + 11.0);
    cycles(&matmul_of(24, 8, 64, 32), "sch.reorder(l3, l1, l2)\nsch.vectorize(loop=l2)\n", memory / 1.5, 64.0);
    // Straight i in 4, then k in 16, then 8 lanes: 16 of B are loaded again for each i, and on the stack until then.
    let memory = 64.0 + 4.0 * 16.0 + 8.0 + 2.0 * 16.0;
    let trace = "sch.reorder(l1, l3, l2)\nsch.unroll(loop=l1)\nsch.unroll(loop=l3)\nsch.vectorize(loop=l2)\n";
    cycles(&matmul_of(4, 8, 16, 32), trace, memory / 1.5, 1.0);
}

#[test]
fn a_function_is_called_for_each_lane() {
    let words = ScheduleWords::builtin().unwrap();
    let trace = "l1, l2, l3 = sch.get_loops(block=b0)\nsch.reorder(l1, l3, l2)\nsch.vectorize(loop=l2)\n";
    let of = |name: &str| {
        let mut task = matmul();
        task.blocks[0].name = name.into();
        let trace = format!("b0 = sch.get_sblock(name=\"{name}\", func_name=\"main\")\n{trace}");
        ScheduleGraph::new(&task, &trace, words).unwrap().cycles.exp2()
    };
    assert!((of("T_exp") - of("T_expense") - 15.0).abs() < 1e-9);
}
