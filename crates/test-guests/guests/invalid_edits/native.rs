//! Tries every edit that HTTP forbids, and tells in the answer what it was told.

use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, export};

struct InvalidEdits;

impl Plugin for InvalidEdits {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for InvalidEdits {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let answer = LocalResponse::new(200)?;
        let refused = [
            format!("{:?}", request.set_header("a b", "x")),
            format!("{:?}", request.set_header("a", "x\r\nb: y")),
            format!("{:?}", request.set_header("Transfer-Encoding", "chunked")),
            format!("{:?}", request.append_header("content-length", "3")),
            format!("{:?}", request.remove_header("host")),
            format!("{:?}", request.set_method("GE T")),
            format!("{:?}", request.set_path_with_query("no-slash")),
            format!("{:?}", request.set_authority("a b")),
            format!("{:?}", request.set_header("x-big", vec![b'x'; 65 * 1024])),
            format!("{:?}", LocalResponse::new(1000).err()),
            format!("{:?}", LocalResponse::new(101).err()),
        ];
        Ok(answer.body(refused.join("\n"))?.into())
    }
}

export!(InvalidEdits: request);
