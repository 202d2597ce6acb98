use super::{FindEnd, Piece, PieceEnd, PieceKind, PieceTooLong, Unframed};

/// Cuts a body at its line feeds.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(super) unframed: Unframed<LineFeed>,
}

impl Lines {
    pub(super) fn new(max: usize) -> Self {
        Self { unframed: Unframed::new(max, LineFeed) }
    }

    pub(super) fn next_piece(&mut self) -> Result<Option<Piece>, PieceTooLong> {
        Ok(self.unframed.next()?.map(|raw| Piece { raw, kind: PieceKind::Line }))
    }

    pub(super) fn last_piece(&mut self) -> Result<Option<Piece>, PieceTooLong> {
        Ok(self.unframed.last()?.map(|raw| Piece { raw, kind: PieceKind::Line }))
    }
}

/// A carriage return before it is a byte of the line, one elsewhere too.
#[derive(Debug)]
pub(super) struct LineFeed;

impl FindEnd for LineFeed {
    fn find_end(&mut self, bytes: &[u8]) -> Option<PieceEnd> {
        let at = memchr::memchr(b'\n', bytes)? + 1;
        Some(PieceEnd { at, counted: at })
    }
}
