use wasmparser::{
    BinaryReaderError, Encoding, ExternalKind, FuncType, Parser, Payload, ValidPayload, Validator, WasmFeatures,
    types::Types,
};
use wasmtime::component::Component;

use crate::{
    Error, Result,
    capability::{SCHEMA_BYTES, too_large},
};

/// The custom section with a plugin's config schema.
const CONFIG_SCHEMA: &str = "wasm-host:config-schema";

/// The text of the config schema that a file has, or why it cannot be used.
pub(crate) type ShippedSchema = Result<String, String>;

/// What a file is, read from its outermost level; the config schema may be at any.
#[derive(Debug)]
pub(crate) struct FileShape {
    pub(crate) kind: FileKind,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// A core module with a WIT world in a custom section, ready to be made a component.
    pub(crate) carries_wit: bool,
    pub(crate) config_schema: Option<ShippedSchema>,
    /// The functions that a core module exports.
    pub(crate) functions: Vec<(String, FuncType)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    CoreModule,
    Component,
}

impl FileKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CoreModule => "core module",
            Self::Component => "component",
        }
    }
}

impl FileShape {
    /// Reads and validates a whole file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        check_magic(bytes)?;
        let types = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).map_err(damaged)?;
        Self::describe(bytes, Some(&types))
    }

    /// Reads a file that is known to be valid, in a fraction of the time.
    pub(crate) fn read_valid(bytes: &[u8]) -> Result<Self> {
        let types = types_of_module(bytes).map_err(damaged)?;
        Self::describe(bytes, types.as_ref())
    }

    /// `types` are needed of a core module.
    fn describe(bytes: &[u8], types: Option<&Types>) -> Result<Self> {
        let mut shape = Self {
            kind: FileKind::CoreModule,
            imports: Vec::new(),
            exports: Vec::new(),
            carries_wit: false,
            config_schema: None,
            functions: Vec::new(),
        };
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(damaged)? {
                Payload::Version { encoding: Encoding::Component, .. } if depth == 0 => {
                    shape.kind = FileKind::Component
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if section.name() == CONFIG_SCHEMA => shape.add_schema(section.data()),
                payload if depth == 0 => shape.add(payload, types).map_err(damaged)?,
                _ => {}
            }
        }
        Ok(shape)
    }

    /// Whether it is a core module that is made a component before it is compiled.
    pub(crate) fn becomes_a_component(&self) -> bool {
        self.kind == FileKind::CoreModule && self.carries_wit
    }

    /// The shape of the component that was made of it. Making it again would take longer than all else about loading it.
    pub(crate) fn of_what_it_became(self, component: &Component) -> Self {
        let (ty, engine) = (component.component_type(), component.engine());
        Self {
            kind: FileKind::Component,
            imports: ty.imports(engine).map(|(name, _)| name.to_owned()).collect(),
            exports: ty.exports(engine).map(|(name, _)| name.to_owned()).collect(),
            carries_wit: false,
            config_schema: self.config_schema,
            functions: Vec::new(),
        }
    }

    /// The type of a function that a core module exports.
    pub(crate) fn function(&self, name: &str) -> Option<&FuncType> {
        self.functions.iter().find(|(export, _)| export == name).map(|(_, ty)| ty)
    }

    /// Whether a core module imports one of these functions from a module of this name.
    pub(crate) fn imports_one_of(&self, module: &str, functions: &[&str]) -> bool {
        let mut imports = self.imports.iter().filter_map(|import| import.strip_prefix(module)?.strip_prefix('.'));
        imports.any(|import| functions.contains(&import))
    }

    fn add_schema(&mut self, data: &[u8]) {
        let schema = match std::str::from_utf8(data) {
            _ if data.len() > SCHEMA_BYTES => Err(too_large(data.len())),
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(format!("it is not UTF-8 text: {error}")),
        };
        self.config_schema = Some(match self.config_schema.take() {
            Some(other) if other != schema => Err("the file has more than one, and they differ".to_owned()),
            _ => schema,
        });
    }

    fn add(&mut self, payload: Payload<'_>, types: Option<&Types>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    self.imports.push(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.exports.push(export.name.to_owned());
                    if export.kind == ExternalKind::Func
                        && let Some(types) = types.map(Types::as_ref)
                        && let Some(ty) = types.get(types.core_function_at(export.index))
                    {
                        self.functions.push((export.name.to_owned(), ty.unwrap_func().clone()));
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) => self.carries_wit |= section.name().starts_with("component-type"),
            _ => {}
        }
        Ok(())
    }
}

fn check_magic(bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(b"\0asm") {
        return Ok(());
    }
    let found = match bytes.get(..bytes.len().min(4)) {
        None | Some([]) => "nothing: the file is empty".to_owned(),
        Some(start) => format!("{start:02x?}"),
    };
    Err(Error::NotWasm { found })
}

fn damaged(error: BinaryReaderError) -> Error {
    Error::Damaged { reason: error.to_string() }
}

/// The types of a core module, whose functions' bodies are not looked at; none of a component.
fn types_of_module(bytes: &[u8]) -> Result<Option<Types>, BinaryReaderError> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::Version { encoding: Encoding::Component, .. } = payload {
            return Ok(None);
        }
        if let ValidPayload::End(types) = validator.payload(&payload)? {
            return Ok(Some(types));
        }
    }
    Ok(None)
}
