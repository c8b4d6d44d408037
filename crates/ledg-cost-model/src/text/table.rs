//! Tables for people, which are Markdown too.

use comfy_table::{CellAlignment, Table, presets};

/// A table; columns whose header begins with `>` are aligned to the right.
pub struct TextTable {
    table: Table,
}

impl TextTable {
    /// With these headers.
    pub fn new(headers: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(headers.iter().map(|h| h.strip_prefix('>').unwrap_or(h)));
        for (k, header) in headers.iter().enumerate() {
            if let (true, Some(column)) = (header.starts_with('>'), table.column_mut(k)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        TextTable { table }
    }

    /// Adds a row. A `|` would end the cell in Markdown and a line break the row, so they are replaced.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        let clean = |c: &S| c.as_ref().replace('|', "/").replace(char::is_control, " ");
        self.table.add_row(cells.iter().map(clean));
    }
}

impl std::fmt::Display for TextTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
