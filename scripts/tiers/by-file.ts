// A reporter of node:test: JSON lines of each file, how long it ran, imports and hooks included, and whether something failed.
import { relative, resolve } from 'node:path'
import type { TestEvent } from 'node:test/reporters'

/** One line of the reporter. `file` is relative to the root of the tree; `seconds` is wall time; 0 where the line tells a failure. */
export interface FileLine {
  file: string
  failed: boolean
  seconds: number
}

const root = resolve(import.meta.dirname, '../..')

/** `entryFile` is the file that was run; `file` the one that registered the test, such as a suite that several share. */
interface Ended {
  nesting: number
  file?: string
  entryFile?: string
  details: { duration_ms?: number }
}

export default async function* byFile(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    if ((type !== 'test:complete' && type !== 'test:fail') || data.nesting > 0) continue
    const { file = '', entryFile, details } = data as Ended
    const failed = type === 'test:fail'
    // the end of a file is told as that of a test without an entry file
    if (!failed && entryFile !== undefined) continue
    const line: FileLine = {
      file: relative(root, entryFile ?? file),
      failed,
      seconds: failed ? 0 : (details.duration_ms ?? 0) / 1000,
    }
    yield `${JSON.stringify(line)}\n`
  }
}

/** Lines of this reporter; a line that was cut by a killed run is left out. */
export function readLines(text: string): FileLine[] {
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as FileLine]
    } catch {
      return []
    }
  })
}

/** Files with a failed test, in order, each once. */
export function failedFiles(lines: readonly FileLine[]): string[] {
  return [...new Set(lines.filter(({ failed }) => failed).map(({ file }) => file))]
}
