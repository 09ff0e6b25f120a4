import { AppError } from '../errors/app-error.ts'
import { ApiProblem } from './client.ts'

/** Exit codes, documented in `freehold --help`. */
export const exitCodes = { done: 0, failed: 1, badInput: 2, unreachable: 3, denied: 4, interrupted: 130 } as const

/** True if colour and progress are wanted on stderr: a terminal, and NO_COLOR is not set. */
export function lively(): boolean {
  return process.stderr.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''
}

/** What moves a cursor, colours, names windows, turns the writing direction or begins a line: C0, C1, formats, separators. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** One line for a terminal. Hosts and files are strangers: what they say is shown, what it would do to a screen is not. */
export function oneLine(text: string): string {
  return text.replaceAll(unseen, '?')
}

/** A result, on stdout. Nothing is lost: what a terminal would act upon is escaped as JSON has it. */
export function printJson(value: unknown): void {
  const text = JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v), 2)
  const escaped = text.replaceAll(unseen, (c) =>
    c === '\n' ? c : c.replaceAll(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )
  process.stdout.write(`${escaped}\n`)
}

/** A line of a result, on stdout. */
export function printLine(line: string): void {
  process.stdout.write(`${oneLine(line)}\n`)
}

/** Rows as a plain table on stdout; the first row names the columns. */
export function printTable(cells: readonly (readonly string[])[]): void {
  const rows = cells.map((row) => row.map(oneLine))
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  for (const row of rows) {
    process.stdout.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
  }
}

/** A message of one or several lines, on stderr. Words of others that enter it go through `oneLine` where they could end a line. */
export function say(message: string): void {
  process.stderr.write(`${message.split('\n').map(oneLine).join('\n')}\n`)
}

/** Ends the command with the exit code of the program that did its work, whose own words were enough. */
export class ExitCode extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super(`ended with ${exitCode}`)
    this.name = 'ExitCode'
    this.exitCode = exitCode
  }
}

/** Prints an error in the four parts of the web (title, detail, hint, code) and returns the exit code. */
export function printError(error: unknown): number {
  if (error instanceof ExitCode) return error.exitCode
  if (error instanceof ApiProblem || error instanceof AppError) {
    const fields = error.fields.map((f) => `  ${f.line === undefined ? '' : `line ${f.line}, `}${f.pointer || '/'}: ${f.detail}`)
    const request = error instanceof ApiProblem && error.requestId !== '-' ? ` · request ${error.requestId}` : ''
    say([error.title, error.detail, ...fields, error.hint, `[${error.code}${request}]`].map(oneLine).join('\n'))
    if (error.code === 'host-unreachable') return exitCodes.unreachable
    if (error.status === 401 || error.status === 403) return exitCodes.denied
    return error.status === 400 ? exitCodes.badInput : exitCodes.failed
  }
  say(`Something went wrong.\n${error instanceof Error ? error.message : String(error)}\n[internal]`)
  return exitCodes.failed
}

const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** `90s`, `30m`, `12h`, `8d`, `2w` or plain seconds → seconds. Throws `bad-input`. */
export function parseDuration(text: string): number {
  const match = /^([0-9]{1,9})([smhdw]?)$/.exec(text)
  if (match === null || Number(match[1]) === 0) {
    throw new AppError({
      code: 'bad-input',
      detail: `"${text}" is not a duration.`,
      hint: 'Write it as 90s, 30m, 12h, 8d or 2w.',
    })
  }
  return Number(match[1]) * (units[match[2] || 's'] ?? 1)
}

/** `2026-11-21 14:00 UTC, in 5 days` (X21). Both in unix seconds. */
export function whenText(at: number, now: number): string {
  const distance = Math.abs(at - now)
  const [n, unit] =
    distance >= 172_800 ? [distance / 86_400, 'days'] : distance >= 7200 ? [distance / 3600, 'hours'] : [distance / 60, 'minutes']
  const stamp = new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ')
  return `${stamp} UTC, ${at >= now ? `in ${Math.round(n)} ${unit}` : `${Math.round(n)} ${unit} ago`}`
}
