import { closeSync, openSync, writeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { AppError } from '../errors/app-error.ts'

const longestLine = 1024

/** What may end us while we ask; SIGKILL alone cannot be heard. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/**
 * Asks at the terminal itself, never at standard input: that may carry the data of the tool that called us (git, rsync).
 * A hidden line is not shown while it is typed: the terminal's own echo is off before the first letter of the question
 * is written, and on again however we end. Throws `bad-input` without a terminal and on Ctrl-C.
 */
export async function askTerminal(question: string, options: { hidden: boolean; withoutTerminal: string }): Promise<string> {
  let fd: number
  try {
    fd = openSync('/dev/tty', 'r+')
  } catch (cause) {
    throw withoutTerminal(options.withoutTerminal, cause)
  }
  const terminal = new ReadStream(fd)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const echoAgain = () => void terminal.setRawMode(false)
  const ended = (signal: NodeJS.Signals) => {
    forget()
    echoAgain()
    reject(new AppError({ code: 'bad-input', detail: 'Nothing was entered.', hint: 'Try again.' }))
    // Who listens besides us ends the process in its own way; else the signal does what it would have done.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  const forget = () => {
    process.off('exit', echoAgain)
    for (const signal of endings) process.off(signal, ended)
  }
  try {
    terminal.on('error', reject)
    process.on('exit', echoAgain)
    for (const signal of endings) process.on(signal, ended)
    terminal.setRawMode(true)
    if (!terminal.isRaw) throw withoutTerminal(options.withoutTerminal, new Error('the terminal keeps its echo'))
    // Only now: whoever waits for the question may answer in the same instant.
    writeSync(fd, question)
    readLine(terminal, { shown: (text) => void (options.hidden || writeSync(fd, text)), resolve, reject })
    return await promise
  } finally {
    forget()
    echoAgain()
    try {
      writeSync(fd, '\r\n')
    } catch {
      // the terminal has gone; what was asked for is settled either way
    }
    terminal.destroy()
    try {
      closeSync(fd)
    } catch {
      // destroy has closed it already
    }
  }
}

type Line = { shown: (text: string) => void; resolve: (line: string) => void; reject: (error: Error) => void }

function readLine(terminal: ReadStream, { shown, resolve, reject }: Line): void {
  let line = ''
  terminal.setEncoding('utf8')
  terminal.on('end', () => resolve(line))
  terminal.on('data', (text) => {
    for (const character of String(text)) {
      if (character === '\r' || character === '\n') return resolve(line)
      if (character === '\x03' || character === '\x04') {
        return reject(new AppError({ code: 'bad-input', detail: 'Nothing was entered.', hint: 'Try again.' }))
      }
      if (character === '\x7f' || character === '\b') {
        if (line !== '') shown('\b \b')
        line = line.slice(0, -1)
      } else if (character >= ' ' && line.length < longestLine) {
        line += character
        shown(character)
      }
    }
  })
}

function withoutTerminal(hint: string, cause: unknown): AppError {
  return new AppError({ code: 'bad-input', detail: 'There is no terminal to ask at.', hint, cause })
}
