import type { ReactNode } from 'react'
import { classes } from './classes.ts'

export interface Column<Row> {
  /** Stable name of the column. */
  id: string
  label: string
  cell(row: Row): ReactNode
  /** Numbers stand at the right edge. */
  numeric?: boolean
}

/**
 * Rows and columns; where there is no room, also because the text is large, each row becomes a card with the names of the
 * columns in it (X18): the box is asked, not the window. The first column names the row. Roles are written out, since browsers drop those of a table that is laid out otherwise.
 */
export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
}: {
  caption: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  keyOf(row: Row): string
}) {
  return (
    // oxlint-disable jsx-a11y/no-redundant-roles, jsx-a11y/no-interactive-element-to-noninteractive-role
    <div className="@container">
      <table role="table" className="block w-full text-left @2xl:table">
        <caption className="sr-only">{caption}</caption>
        <thead role="rowgroup" className="sr-only @2xl:not-sr-only @2xl:table-header-group">
          <tr role="row" className="border-b border-line text-sm text-soft">
            {columns.map(({ id, label, numeric }) => (
              <th
                key={id}
                role="columnheader"
                scope="col"
                className={classes('py-2 pr-4 font-normal', numeric === true && 'text-right')}
              >
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup" className="block @2xl:table-row-group">
          {rows.map((row) => (
            <tr role="row" key={keyOf(row)} className="block border-b border-line py-2 @2xl:table-row @2xl:py-0">
              {columns.map(({ id, label, cell, numeric }, i) => {
                const Cell = i === 0 ? 'th' : 'td'
                return (
                  <Cell
                    key={id}
                    role={i === 0 ? 'rowheader' : 'cell'}
                    scope={i === 0 ? 'row' : undefined}
                    className={classes(
                      'flex min-w-0 flex-wrap justify-between gap-x-4 py-1 text-left align-top font-normal break-words @2xl:table-cell @2xl:py-2.5 @2xl:pr-4',
                      numeric === true && 'tabular @2xl:text-right',
                      i === 0 && 'font-medium @2xl:whitespace-nowrap',
                    )}
                  >
                    <span aria-hidden="true" className="text-sm text-soft @2xl:hidden">
                      {label}
                    </span>
                    {/* in a card at the right edge, also where it has a line of its own */}
                    <span className="ml-auto min-w-0 text-right break-words @2xl:ml-0 @2xl:[text-align:inherit]">
                      {cell(row)}
                    </span>
                  </Cell>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
