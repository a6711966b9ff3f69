//! All the cases that a set of axes asks for.

use payload::{ChunkSize, Kind};
use transport::{Limits, Transport};

use crate::{
    case::{Case, Direction, Rates, SinkKind},
    exit::Usage,
    size::ByteSize,
};

/// The axes of a matrix; lists where there may be several.
#[derive(Clone)]
pub(crate) struct Matrix {
    pub(crate) protocols: Vec<&'static dyn Transport>,
    pub(crate) directions: Vec<Direction>,
    pub(crate) chunks: Vec<ChunkSize>,
    pub(crate) bodies: Vec<ByteSize>,
    pub(crate) payload: Kind,
    pub(crate) seed: u64,
    pub(crate) sink: SinkKind,
    pub(crate) connections: u32,
    pub(crate) streams: u32,
    pub(crate) rates: Rates,
    pub(crate) limits: Limits,
}

impl Matrix {
    /// The cases, protocols varying fastest, so that what is compared runs close together.
    ///
    /// # Errors
    /// A protocol cannot carry several bodies at once on a connection.
    pub(crate) fn cases(&self) -> Result<Vec<Case>, Usage> {
        self.refuse_impossible_streams()?;
        let mut cases = Vec::new();
        for &body in &self.bodies {
            for &direction in &self.directions {
                for &chunk in &self.chunks {
                    for &transport in &self.protocols {
                        cases.push(self.case(transport, direction, chunk, body));
                    }
                }
            }
        }
        Ok(cases)
    }

    fn case(
        &self,
        transport: &'static dyn Transport,
        direction: Direction,
        chunk: ChunkSize,
        body: ByteSize,
    ) -> Case {
        Case {
            transport,
            direction,
            chunk,
            body,
            payload: self.payload.clone(),
            seed: self.seed,
            sink: self.sink.clone(),
            connections: self.connections,
            streams: self.streams,
            rates: self.rates,
            limits: self.limits.clone(),
        }
    }

    fn refuse_impossible_streams(&self) -> Result<(), Usage> {
        let single: Vec<_> =
            self.protocols.iter().filter(|p| !p.features().streams).map(|p| p.name()).collect();
        if self.streams == 1 || single.is_empty() {
            return Ok(());
        }
        let several: Vec<_> =
            transport::TRANSPORTS.iter().filter(|p| p.features().streams).map(|p| p.name()).collect();
        Err(Usage(format!(
            "--streams {}: one connection of {} carries one body at a time; choose --protocol {} or use --connections {}",
            self.streams,
            single.join(", "),
            several.join(","),
            self.streams,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(protocols: &[&str]) -> Matrix {
        Matrix {
            protocols: protocols.iter().map(|name| transport::by_name(name).unwrap()).collect(),
            directions: vec![Direction::Up, Direction::Down],
            chunks: [16 << 10, 64 << 10].map(|bytes| ChunkSize::try_from(bytes).unwrap()).to_vec(),
            bodies: vec![ByteSize(1 << 20)],
            payload: Kind::Random,
            seed: 1,
            sink: SinkKind::Verify,
            connections: 1,
            streams: 1,
            rates: Rates::default(),
            limits: Limits::default(),
        }
    }

    #[test]
    fn every_combination_is_there_once_with_protocols_side_by_side() {
        let names: Vec<_> = matrix(&["tcp", "h1c"]).cases().unwrap().iter().map(Case::name).collect();
        assert_eq!(names[..3], ["tcp/up/16KiB/1MiB", "h1c/up/16KiB/1MiB", "tcp/up/64KiB/1MiB"]);
        let unique: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!((names.len(), unique.len()), (8, 8));
    }

    #[test]
    fn streams_need_a_protocol_that_has_them() {
        let refused = Matrix { streams: 4, ..matrix(&["h1", "h2"]) }.cases().unwrap_err().to_string();
        assert!(refused.contains("one connection of h1 carries"), "{refused}");
        assert!(refused.contains("h2c,h2,quic,h3"), "{refused}");
        assert!(Matrix { streams: 4, ..matrix(&["h2", "h3"]) }.cases().is_ok());
    }
}
