//! What a guest exports, read from its file.

use wasmparser::{FuncType, ValType};

use crate::abi::FileShape;

pub(super) const REQUEST: &str = "process_request";
pub(super) const RESPONSE: &str = "process_response";

/// The exports that the host calls, each checked for its type.
#[derive(Debug)]
pub(super) struct Exports {
    pub(super) request: bool,
    pub(super) response: bool,
    pub(super) init: bool,
    pub(super) cleanup: bool,
    /// What has to be called before anything else, in this order.
    pub(super) starts: Vec<&'static str>,
    pub(super) room: Room,
}

/// How room is made in the guest for a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Takes the size, and perhaps the alignment.
    pub(super) allocate: Sized,
    /// Takes the place, and perhaps the size and the alignment. None where the guest frees what it is given.
    pub(super) free: Option<Sized>,
}

/// A function with a number of parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sized {
    pub(super) name: &'static str,
    pub(super) params: usize,
}

/// What makes room, and what of it frees.
const ROOM: [(&str, &[&str]); 3] = [("__wbindgen_malloc", &[]), ("alloc", &["dealloc", "free"]), ("malloc", &["free"])];

/// Whether the file has a phase of this ABI, of the right type.
pub(super) fn has_a_phase(file: &FileShape) -> bool {
    [(REQUEST, 4), (RESPONSE, 3)]
        .into_iter()
        .any(|(name, params)| file.function(name).is_some_and(|ty| is_of(ty, params, 1)))
}

impl Exports {
    /// An error says what does not fit.
    pub(super) fn of(file: &FileShape) -> Result<Self, String> {
        if !file.exports.iter().any(|export| export == "memory") {
            return Err("it exports no memory under the name `memory`".to_owned());
        }
        let start = ["_initialize", "_start"].into_iter().find(|name| file.function(name).is_some());
        let bindgen_start = Some("__wbindgen_start").filter(|name| file.function(name).is_some());
        let starts: Vec<_> = start.into_iter().chain(bindgen_start).collect();
        for name in &starts {
            optional(file, name, 0, 0)?;
        }
        Ok(Self {
            request: optional(file, REQUEST, 4, 1)?,
            response: optional(file, RESPONSE, 3, 1)?,
            init: optional(file, "init", 0, 1)?,
            cleanup: optional(file, "cleanup", 0, 1)?,
            starts,
            room: room(file)?,
        })
    }
}

/// Whether it is there, and an error when it is of another type.
fn optional(file: &FileShape, name: &str, params: usize, results: usize) -> Result<bool, String> {
    match file.function(name) {
        None => Ok(false),
        Some(ty) if is_of(ty, params, results) => Ok(true),
        Some(ty) => {
            let expected = FuncType::new(vec![ValType::I32; params], vec![ValType::I32; results]);
            Err(format!("it exports `{name}` as {}, and that is {}", signature(ty), signature(&expected)))
        }
    }
}

fn room(file: &FileShape) -> Result<Room, String> {
    let sized = |name: &'static str, params: std::ops::RangeInclusive<usize>, results| {
        let found = file.function(name)?.params().len();
        (params.contains(&found) && is_of(file.function(name)?, found, results))
            .then_some(Sized { name, params: found })
    };
    let found = ROOM.into_iter().find_map(|(allocate, frees)| {
        let allocate = sized(allocate, 1..=2, 1)?;
        Some(Room { allocate, free: frees.iter().find_map(|free| sized(free, 1..=3, 0)) })
    });
    found.ok_or_else(|| {
        "it exports nothing that makes room for a text: `__wbindgen_malloc`, `alloc` or `malloc`, which takes a size \
         and gives a pointer"
            .to_owned()
    })
}

/// Whether all that it takes and gives are that many `i32`.
fn is_of(ty: &FuncType, params: usize, results: usize) -> bool {
    let all = |types: &[ValType], count| types.len() == count && types.iter().all(|ty| *ty == ValType::I32);
    all(ty.params(), params) && all(ty.results(), results)
}

fn signature(ty: &FuncType) -> String {
    arrow(ty.params(), ty.results())
}

/// A type as it is written in messages.
pub(super) fn arrow(
    params: impl IntoIterator<Item: ToString>,
    results: impl IntoIterator<Item: ToString, IntoIter: ExactSizeIterator>,
) -> String {
    let results = results.into_iter();
    let is_one = results.len() == 1;
    let params = params.into_iter().map(|ty| ty.to_string()).collect::<Vec<_>>().join(", ");
    let results = results.map(|ty| ty.to_string()).collect::<Vec<_>>().join(", ");
    if is_one { format!("({params}) -> {results}") } else { format!("({params}) -> ({results})") }
}
