// The table by the keyboard (WAI-ARIA grid): one stop for Tab, arrow keys from cell to cell, Space ticks, Enter opens.
const table = document.getElementById("matrix");
if (table) {
  document.querySelector(".matrix-keys").hidden = false;
  table.setAttribute("role", "grid");
  const rows = [...table.tBodies[0].rows].filter((row) => row.cells.length > 1);
  const cells = rows.map((row) => [...row.cells].slice(1));
  for (const row of table.rows) row.setAttribute("role", "row");
  for (const line of cells) {
    for (const cell of line) {
      cell.setAttribute("role", "gridcell");
      cell.tabIndex = -1;
      for (const inside of cell.querySelectorAll("a, input")) inside.tabIndex = -1;
    }
  }
  let at = [0, 0];
  const go = (row, column) => {
    cells[at[0]][at[1]].tabIndex = -1;
    at = [Math.max(0, Math.min(rows.length - 1, row)), Math.max(0, Math.min(cells[0].length - 1, column))];
    const cell = cells[at[0]][at[1]];
    cell.tabIndex = 0;
    cell.focus();
  };
  if (cells.length) cells[0][0].tabIndex = 0;
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    if (!cell || event.altKey || event.ctrlKey || event.metaKey) return;
    const forward = document.dir === "rtl" ? -1 : 1;
    const [row, column] = [cells.findIndex((line) => line.includes(cell)), cell.cellIndex - 1];
    const moves = {
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      ArrowRight: [row, column + forward],
      ArrowLeft: [row, column - forward],
      Home: [event.ctrlKey ? 0 : row, 0],
      End: [row, cells[0].length - 1],
      PageDown: [row + 10, column],
      PageUp: [row - 10, column],
    };
    if (moves[event.key]) {
      event.preventDefault();
      go(...moves[event.key]);
    } else if (event.target === cell && event.key === " ") {
      event.preventDefault();
      cell.querySelector("input")?.click();
    } else if (event.target === cell && event.key === "Enter") {
      event.preventDefault();
      cell.querySelector("a")?.click();
    }
  });
}
