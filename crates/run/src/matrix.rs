//! The matrix of a session: all combinations of the axes that vary, as cases.

use record::{ByteSize, Case, ChunkSize, Direction, PROTOCOLS, Protocol};

/// The axes of a matrix: a list for each axis that varies, and a template for the values of all others.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The protocols to run.
    pub protocols: Vec<&'static Protocol>,
    /// The ceiling protocols to run, such as `tcp-ceiling`. Their chunk size is always [`ChunkSize::CEILING`].
    pub ceilings: Vec<&'static Protocol>,
    /// The directions.
    pub directions: Vec<Direction>,
    /// The chunk sizes.
    pub chunks: Vec<ChunkSize>,
    /// The body sizes.
    pub bodies: Vec<ByteSize>,
    /// The template of all cases, with the values of the axes that do not vary.
    pub template: Case,
}

/// A contradiction between axes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// A protocol cannot carry several concurrent bodies on a connection.
    #[error(
        "--streams {streams}: one connection of {single} carries one body at a time; use --protocol {several} or \
         --connections {streams}"
    )]
    Streams {
        /// The number of concurrent bodies on each connection.
        streams: u32,
        /// The requested protocols that carry one body at a time, separated by commas.
        single: String,
        /// The protocols that carry several bodies, separated by commas.
        several: String,
    },
    /// Some threads would carry no connection.
    #[error(
        "--threads {threads}: threads share connections out, and there are only {connections}; use --connections {threads} \
         or more"
    )]
    Threads {
        /// The number of threads of each end.
        threads: u32,
        /// The number of connections.
        connections: u32,
    },
}

/// Checks that each thread can carry a connection.
///
/// # Errors
/// Fails if there are more threads than connections.
pub fn check_threads(threads: u32, connections: u32) -> Result<(), MatrixError> {
    if threads > connections {
        return Err(MatrixError::Threads { threads, connections });
    }
    Ok(())
}

impl Matrix {
    /// Returns the cases. Protocols vary fastest, so that cases that tables compare run close together.
    ///
    /// # Errors
    /// Fails if a protocol cannot carry several concurrent bodies on a connection, or if there are more threads than
    /// connections.
    pub fn cases(&self) -> Result<Vec<Case>, MatrixError> {
        self.refuse_impossible_streams()?;
        check_threads(self.template.threads, self.template.connections)?;
        let mut cases = Vec::new();
        for &body in &self.bodies {
            for &direction in &self.directions {
                for &chunk in &self.chunks {
                    cases.extend(self.protocols.iter().map(|row| self.case(row, direction, chunk, body)));
                }
                cases.extend(self.ceilings.iter().map(|row| {
                    let mut case = self.case(row, direction, ChunkSize::CEILING, body);
                    case.limits = case.limits.with_all_layers();
                    case
                }));
            }
        }
        Ok(cases)
    }

    fn case(&self, row: &Protocol, direction: Direction, chunk: ChunkSize, body: ByteSize) -> Case {
        let mut case = self.template.clone();
        case.protocol = row.name.to_owned();
        (case.direction, case.chunk, case.body) = (direction, chunk, body);
        case
    }

    fn refuse_impossible_streams(&self) -> Result<(), MatrixError> {
        let single: Vec<_> =
            self.protocols.iter().filter(|protocol| !protocol.has_streams()).map(|p| p.name).collect();
        if self.template.streams == 1 || single.is_empty() {
            return Ok(());
        }
        let several: Vec<_> = PROTOCOLS.iter().filter(|p| p.has_streams()).map(|p| p.name).collect();
        Err(MatrixError::Streams {
            streams: self.template.streams,
            single: single.join(", "),
            several: several.join(","),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(protocols: &[&str], streams: u32) -> Matrix {
        let mut template = Case::new("");
        template.streams = streams;
        Matrix {
            protocols: protocols.iter().map(|name| Protocol::by_name(name).unwrap()).collect(),
            ceilings: Vec::new(),
            directions: Direction::ALL.to_vec(),
            chunks: [16 << 10, 64 << 10].map(|bytes| ChunkSize::try_from(bytes).unwrap()).to_vec(),
            bodies: vec![ByteSize(1 << 20)],
            template,
        }
    }

    #[test]
    fn every_combination_is_there_once_with_protocols_side_by_side() {
        let cases = matrix(&["tcp", "h1c"], 1).cases().unwrap();
        let names: Vec<_> = cases.iter().map(|case| case.key().to_string()).collect();
        assert_eq!(names[..3], ["tcp/up/16KiB/1MiB", "h1c/up/16KiB/1MiB", "tcp/up/64KiB/1MiB"]);
        let unique: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!((names.len(), unique.len()), (8, 8));
    }

    #[test]
    fn a_ceiling_runs_once_a_direction_whatever_the_chunks() {
        let mut matrix = matrix(&["tcp"], 1);
        matrix.ceilings = vec![Protocol::by_name("tcp-ceiling").unwrap()];
        let names: Vec<_> = matrix.cases().unwrap().iter().map(|case| case.key().to_string()).collect();
        let up = ["tcp/up/16KiB/1MiB", "tcp/up/64KiB/1MiB", "tcp-ceiling/up/256KiB/1MiB"];
        assert_eq!((&names[..3], names.len()), (&up.map(str::to_owned)[..], 6));
        assert_eq!(names[5], "tcp-ceiling/down/256KiB/1MiB");
    }

    #[test]
    fn streams_need_a_protocol_that_has_them() {
        let refused = matrix(&["h1", "h2"], 4).cases().unwrap_err().to_string();
        assert!(refused.contains("one connection of h1 carries"), "{refused}");
        assert!(refused.contains("h2c,h2,quic,h3"), "{refused}");
        assert!(matrix(&["h2", "h3"], 4).cases().is_ok());
    }

    #[test]
    fn every_thread_needs_a_connection() {
        let mut matrix = matrix(&["h1"], 1);
        (matrix.template.threads, matrix.template.connections) = (4, 3);
        let refused = matrix.cases().unwrap_err().to_string();
        assert!(refused.contains("--threads 4") && refused.contains("use --connections 4"), "{refused}");
        matrix.template.connections = 4;
        assert_eq!(matrix.cases().unwrap()[0].key().variant(), "c4s1+threads=4");
    }
}
