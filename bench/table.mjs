/**
 * Aligned plain text. The first column is flush left, the others flush right; a row of one or two
 * cells (a remark in place of figures) may run past its columns.
 */
export function formatTable(header, rows) {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.filter(isFull).map(row => row[column].length)),
  )
  widths[0] = Math.max(widths[0], ...rows.map(row => row[0].length))
  function isFull(row) {
    return row.length === header.length
  }
  const format = row =>
    row
      .map((cell, column) => {
        if (column === 0) return cell.padEnd(widths[0])
        return isFull(row) ? cell.padStart(widths[column]) : cell
      })
      .join('  ')
      .trimEnd()
  const rule = widths.map(width => '-'.repeat(width)).join('  ')
  return [format(header), rule, ...rows.map(format)].join('\n')
}

// Each gives '-' for a figure that this system does not give.

export function formatMs(ms) {
  if (!Number.isFinite(ms)) return '-'
  return ms < 10 ? `${ms.toFixed(2)} ms` : `${ms.toFixed(ms < 100 ? 1 : 0)} ms`
}

export function formatBytes(bytes) {
  if (!Number.isFinite(bytes)) return '-'
  const [size, unit] = Math.abs(bytes) < 2 ** 20 ? [bytes / 2 ** 10, 'KB'] : [bytes / 2 ** 20, 'MB']
  return `${size.toFixed(Math.abs(size) < 100 ? 1 : 0)} ${unit}`
}

export function formatRatio(ratio) {
  return Number.isFinite(ratio) ? ratio.toFixed(2) : '-'
}
