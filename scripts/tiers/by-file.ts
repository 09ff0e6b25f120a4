// A reporter of node:test: one JSON line for each test at the top of a file, with its file and the time since the one before.
// With files run one after the other that time is the file's own, its imports and hooks included.
import { relative, resolve } from 'node:path'
import type { TestEvent } from 'node:test/reporters'

/** One line of the reporter. `file` is relative to the root of the tree; `seconds` is wall time. */
export interface FileLine {
  file: string
  failed: boolean
  seconds: number
}

const root = resolve(import.meta.dirname, '../..')

export default async function* byFile(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let last = performance.now()
  for await (const { type, data } of source) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.nesting > 0) continue
    const now = performance.now()
    const line: FileLine = {
      file: relative(root, data.file ?? ''),
      failed: type === 'test:fail',
      seconds: (now - last) / 1000,
    }
    last = now
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
