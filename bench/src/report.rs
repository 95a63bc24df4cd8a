//! The report of a run: tables, a JSON file, and a plot of each ratio.

use std::path::Path;

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Table, presets};
use plotters::prelude::*;
use serde::Serialize;

use crate::load::Measure;

/// The results of a run.
#[derive(Default, Serialize)]
pub struct Report {
    pub rows: Vec<Row>,
    pub processes: Vec<Process>,
    pub pages: Vec<Page>,
}

/// The results for one kind of work, one catalog size and one number of connections: medians of the rounds.
#[derive(Serialize)]
pub struct Row {
    pub work: String,
    pub size: usize,
    pub connections: usize,
    /// The length of a response body in bytes. 0 for writes.
    pub bytes: u64,
    pub connectory: Numbers,
    /// The bare-HTTP limit. For writes, the limit is one commit for each insert without a server.
    pub limit: Numbers,
    /// The ordinary server. None if it does not support this work.
    pub ordinary: Option<Numbers>,
    /// connectory's rate divided by the limit's rate in the same round.
    pub of_limit: f64,
    /// connectory's rate divided by the ordinary server's rate in the same round.
    pub of_ordinary: Option<f64>,
    /// The fraction of the time in which the server's core was busy: for the limit, connectory and the ordinary server.
    pub busy: Option<[f64; 3]>,
}

/// The requests per second, and the latencies in microseconds.
#[derive(Serialize, Clone, Copy)]
pub struct Numbers {
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
}

/// A page of the console: its length in bytes, and the milliseconds from the request to the last byte.
#[derive(Serialize)]
pub struct Page {
    pub name: String,
    pub size: usize,
    pub bytes: u64,
    pub p50: f64,
    pub p99: f64,
}

/// The start time and the memory of a server.
#[derive(Serialize)]
pub struct Process {
    pub name: String,
    pub size: usize,
    pub start_seconds: f64,
    pub memory_at_start: u64,
    pub memory_after_reads: u64,
    /// The memory in bytes with the connectors that the writes created.
    pub memory_after_writes: u64,
}

/// Returns the quartiles of the values: the values that a quarter, half and three quarters of them are below.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values.get(values.len() * quarter / 4).copied().unwrap_or(f64::NAN))
}

/// Returns the median of the values.
pub fn median(values: Vec<f64>) -> f64 {
    quartiles(values)[1]
}

impl Numbers {
    fn of(measures: &[Measure]) -> Self {
        let of = |number: fn(&Measure) -> f64| median(measures.iter().map(number).collect());
        Self { rate: of(|m| m.rate), p50: of(|m| m.p50), p99: of(|m| m.p99) }
    }
}

impl Row {
    pub fn read(
        work: &str,
        size: usize,
        connections: usize,
        bytes: u64,
        busy: [f64; 3],
        rounds: &[[Measure; 3]],
    ) -> Self {
        let numbers = |at: usize| Numbers::of(&rounds.iter().map(|round| round[at]).collect::<Vec<_>>());
        let ratio = |of: usize| median(rounds.iter().map(|round| round[1].rate / round[of].rate).collect());
        Self {
            work: work.to_owned(),
            size,
            connections,
            bytes,
            connectory: numbers(1),
            limit: numbers(0),
            ordinary: Some(numbers(2)),
            of_limit: ratio(0),
            of_ordinary: Some(ratio(2)),
            busy: Some(busy),
        }
    }

    /// Makes the rows of create, put and patch. Their limit is one commit for each insert.
    pub fn writes(size: usize, connections: usize, rounds: &[(f64, [Measure; 3], Measure)]) -> Vec<Self> {
        let limit = median(rounds.iter().map(|(inserts, ..)| *inserts).collect());
        let row = |at: usize, work: &str| Self {
            work: work.to_owned(),
            size,
            connections,
            bytes: 0,
            connectory: Numbers::of(&rounds.iter().map(|(_, ours, _)| ours[at]).collect::<Vec<_>>()),
            limit: Numbers { rate: limit, p50: 1e6 / limit, p99: f64::NAN },
            ordinary: (at == 0).then(|| Numbers::of(&rounds.iter().map(|(.., peer)| *peer).collect::<Vec<_>>())),
            of_limit: median(rounds.iter().map(|(inserts, ours, _)| ours[at].rate / inserts).collect()),
            of_ordinary: (at == 0)
                .then(|| median(rounds.iter().map(|(_, ours, peer)| ours[0].rate / peer.rate).collect())),
            busy: None,
        };
        ["create", "put", "patch"].into_iter().enumerate().map(|(at, work)| row(at, work)).collect()
    }

    /// Formats the row as a line, which is printed during the run.
    pub fn line(&self) -> String {
        self.cells().join("  ")
    }

    fn cells(&self) -> [String; 11] {
        let number = |value: f64| if value.is_finite() { format!("{value:.0}") } else { "–".to_owned() };
        let optional = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        [
            self.work.clone(),
            self.size.to_string(),
            self.connections.to_string(),
            number(self.connectory.rate),
            number(self.connectory.p50),
            number(self.connectory.p99),
            number(self.limit.rate),
            number(self.ordinary.map_or(f64::NAN, |ordinary| ordinary.rate)),
            optional(Some(self.of_limit)),
            optional(self.of_ordinary),
            self.busy.map_or("–".to_owned(), |busy| {
                format!("{:.0}/{:.0}/{:.0}", busy[0] * 100.0, busy[1] * 100.0, busy[2] * 100.0)
            }),
        ]
    }
}

const HEADER: [&str; 11] = [
    "work",
    "connectors",
    "conn.",
    "req/s",
    "p50 µs",
    "p99 µs",
    "limit req/s",
    "ordinary req/s",
    "of limit",
    "of ordinary",
    "core busy %",
];

impl Report {
    /// Prints the tables.
    pub fn print(&self) {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header(HEADER);
        for row in &self.rows {
            let mut cells: Vec<_> =
                row.cells().into_iter().map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right)).collect();
            cells[0] = Cell::new(&row.work);
            table.add_row(cells);
        }
        println!("{table}\n");
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "server",
            "connectors",
            "start s",
            "MB at start",
            "MB after reads",
            "MB after writes",
        ]);
        for process in &self.processes {
            let megabytes = |bytes: u64| format!("{:.0}", bytes as f64 / 1e6);
            table.add_row([
                process.name.clone(),
                process.size.to_string(),
                format!("{:.2}", process.start_seconds),
                megabytes(process.memory_at_start),
                megabytes(process.memory_after_reads),
                megabytes(process.memory_after_writes),
            ]);
        }
        println!("{table}\n");
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header(["page", "connectors", "KB", "p50 ms", "p99 ms"]);
        for page in &self.pages {
            table.add_row([
                page.name.clone(),
                page.size.to_string(),
                format!("{:.0}", page.bytes as f64 / 1e3),
                format!("{:.2}", page.p50),
                format!("{:.2}", page.p99),
            ]);
        }
        println!("{table}");
    }

    /// Writes the JSON file and the plots.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("results.json"), serde_json::to_vec_pretty(self)?)?;
        self.plot(&folder.join("of-limit.svg"), "connectory's rate divided by the limit's", |row| Some(row.of_limit))?;
        self.plot(&folder.join("of-ordinary.svg"), "connectory's rate divided by the ordinary server's", |row| {
            row.of_ordinary
        })
    }

    fn plot(&self, file: &Path, title: &str, ratio: impl Fn(&Row) -> Option<f64>) -> Result<()> {
        let bars: Vec<(String, f64)> = self
            .rows
            .iter()
            .filter_map(|row| Some((format!("{} {} ×{}", row.work, row.size, row.connections), ratio(row)?)))
            .collect();
        plot(file, title, &bars)
    }
}

/// Plots ratios with their labels.
pub fn plot(file: &Path, title: &str, bars: &[(String, f64)]) -> Result<()> {
    let most = bars.iter().map(|(_, ratio)| *ratio).fold(1.0, f64::max) * 1.05;
    let height = u32::try_from(bars.len())? * 18 + 90;
    let labels = u32::try_from(bars.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default())? * 7;
    let root = SVGBackend::new(file, (900, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let rows = i32::try_from(bars.len())?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(labels.max(190))
        .build_cartesian_2d(0.0..most, (0..rows).into_segmented())?;
    let label = |at: &SegmentValue<i32>| match at {
        // The axis requests one label more than there are bars.
        SegmentValue::CenterOf(at) => usize::try_from(rows - 1 - at).map_or(String::new(), |at| bars[at].0.clone()),
        _ => String::new(),
    };
    chart.configure_mesh().disable_y_mesh().y_labels(bars.len()).y_label_formatter(&label).draw()?;
    chart.draw_series(bars.iter().enumerate().map(|(at, (_, ratio))| {
        let at = rows - 1 - i32::try_from(at).unwrap_or_default();
        let mut bar = Rectangle::new(
            [(0.0, SegmentValue::Exact(at)), (*ratio, SegmentValue::Exact(at + 1))],
            BLUE.mix(0.6).filled(),
        );
        bar.set_margin(3, 3, 0, 0);
        bar
    }))?;
    root.present()?;
    Ok(())
}
