//! `bindgen IN.wasm DIRECTORY TARGET`: makes `DIRECTORY/IN_bg.wasm` for the target `web`, `bundler` or `nodejs`.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [input, directory, target] = arguments.as_slice() else {
        eprintln!("bindgen IN.wasm DIRECTORY web|bundler|nodejs");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    let chosen = match target.as_str() {
        "web" => bindgen.web(true),
        "nodejs" => bindgen.nodejs(true),
        _ => bindgen.bundler(true),
    };
    match chosen.and_then(|bindgen| bindgen.input_path(input).generate(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{input}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
