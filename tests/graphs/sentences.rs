//! The sentences of ten diverse networks, with the number of nodes that say each.

use super::network;
use ledg_cli::explain::sentences;

#[test]
fn sentences_of_ten_networks() {
    let names = [
        "resnet18",
        "mobilenet_v3_large",
        "densenet121",
        "googlenet",
        "unet",
        "convnext_tiny",
        "swin_tiny",
        "vit_s16",
        "gpt2",
        "lstm_classifier",
    ];
    for name in names {
        let described = network(name);
        assert!(described.nodes.iter().all(|n| n.known), "{name}");
        insta::assert_snapshot!(format!("sentences_{name}"), sentences(&described));
    }
}
