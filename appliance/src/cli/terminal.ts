import { closeSync, openSync, writeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { AppError } from '../errors/app-error.ts'

const longestLine = 1024

/**
 * Asks at the terminal itself, never at standard input: that may carry the data of the tool that called us (git, rsync).
 * A hidden line is not shown while it is typed. Throws `bad-input` without a terminal and on Ctrl-C.
 */
export async function askTerminal(question: string, options: { hidden: boolean; withoutTerminal: string }): Promise<string> {
  let fd: number
  try {
    fd = openSync('/dev/tty', 'r+')
  } catch (cause) {
    throw new AppError({
      code: 'bad-input',
      detail: 'There is no terminal to ask at.',
      hint: options.withoutTerminal,
      cause,
    })
  }
  const shown = (text: string) => void writeSync(fd, text)
  const terminal = new ReadStream(fd)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let line = ''
  try {
    shown(question)
    terminal.setRawMode(true)
    terminal.setEncoding('utf8')
    terminal.on('error', reject)
    terminal.on('end', () => resolve(line))
    terminal.on('data', (text) => {
      for (const character of String(text)) {
        if (character === '\r' || character === '\n') return resolve(line)
        if (character === '\x03' || character === '\x04') {
          return reject(new AppError({ code: 'bad-input', detail: 'Nothing was entered.', hint: 'Try again.' }))
        }
        if (character === '\x7f' || character === '\b') {
          if (line !== '' && !options.hidden) shown('\b \b')
          line = line.slice(0, -1)
        } else if (character >= ' ' && line.length < longestLine) {
          line += character
          if (!options.hidden) shown(character)
        }
      }
    })
    return await promise
  } finally {
    terminal.setRawMode(false)
    shown('\r\n')
    terminal.destroy()
    try {
      closeSync(fd)
    } catch {
      // destroy has closed it already
    }
  }
}
