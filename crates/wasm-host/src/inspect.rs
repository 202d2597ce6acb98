use wit_component::{DecodedWasm, WitPrinter};

use crate::{
    Result, SchemaOrigin,
    abi::{FileKind, FileShape, detect},
    compile::{Compiler, Digest, Source, loadable},
    plugin::read_schema,
};

/// What a plugin's file is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// `component` or `core module`.
    pub kind: &'static str,
    /// Whether it is a core module that is made a component when it is loaded.
    pub componentized: bool,
    /// The ABI that fits; none when no ABI does.
    pub abi: Option<&'static str>,
    /// Why the file cannot be used here; empty when it can: as a plugin, or with the ABI `command` as a
    /// [`Command`](crate::Command).
    pub problems: Vec<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// The schema of its configuration, as text, when it ships one.
    pub config_schema: Option<String>,
    /// Its world as WIT text, for a component.
    pub wit: Option<String>,
    /// The file's digest.
    pub digest: Digest,
    /// The file's size in bytes.
    pub size: usize,
}

pub(crate) fn inspect(compiler: &Compiler, source: &Source) -> Result<Inspection> {
    let file = FileShape::read(&source.bytes)?;
    let kind = file.kind;
    let loadable = loadable(&source.bytes);
    let mut problems = Vec::new();
    let abi = match &loadable {
        Ok((_, shape)) => detect(shape).map_err(|error| problems.push(error.to_string())).ok(),
        Err(error) => {
            problems.push(error.to_string());
            None
        }
    };
    if abi.is_some() {
        let checked = compiler.compile(source).and_then(|code| code.check());
        if let Err(error) = checked {
            problems.push(error.to_string());
        }
    }
    if let Some(Err(reason)) = file.config_schema.as_ref().map(read_schema) {
        problems.push(format!("{} cannot be used: {reason}", SchemaOrigin::Plugin));
    }
    let config_schema = file.config_schema.clone().and_then(Result::ok);
    let (wit, shape) = match loadable {
        Ok((bytes, shape)) => ((shape.kind == FileKind::Component).then(|| wit_of(&bytes)).flatten(), shape),
        Err(_) => (None, file),
    };
    Ok(Inspection {
        kind: kind.as_str(),
        componentized: kind != shape.kind,
        abi: abi.map(|abi| abi.id()),
        problems,
        imports: shape.imports,
        exports: shape.exports,
        config_schema,
        wit,
        digest: source.digest,
        size: source.bytes.len(),
    })
}

fn wit_of(component: &[u8]) -> Option<String> {
    let decoded = wit_component::decode(component).ok()?;
    let DecodedWasm::Component(resolve, world) = &decoded else { return None };
    let package = resolve.worlds.get(*world)?.package?;
    let mut printer = WitPrinter::default();
    printer.print(resolve, package, &[]).ok()?;
    Some(printer.output.to_string())
}
