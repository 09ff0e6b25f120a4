import { spawn } from 'node:child_process'
import { getAddress, isAddress } from 'ethers'
import { systemClock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { refuseRawKey } from './raw-key.ts'
import type { CliWallet } from './wallet.ts'

/** As long as a sign-in lives: a person may have to press a button. */
const patienceMs = 300_000
const largestAnswer = 64 * 1024

/**
 * The words of a command as a shell would split them: blanks, quotes and backslashes, and nothing else of a shell. Throws
 * `bad-input` for an open quote or no word at all.
 */
export function splitCommand(command: string): [program: string, ...args: string[]] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let i = 0; i < command.length; i += 1) {
    const c = command[i] ?? ''
    if (quote === "'" ? c === "'" : quote === '"' && c === '"') quote = ''
    else if (quote === "'") word = `${word ?? ''}${c}`
    else if (c === '\\' && (quote === '' || /["\\$`]/.test(command[i + 1] ?? ''))) {
      i += 1
      if (i >= command.length) throw unreadable('ends with a backslash')
      word = `${word ?? ''}${command[i]}`
    } else if (quote === '' && (c === "'" || c === '"')) {
      quote = c
      word ??= ''
    } else if (quote === '' && /\s/.test(c)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = `${word ?? ''}${c}`
  }
  if (quote !== '') throw unreadable('has an open quote')
  if (word !== undefined) words.push(word)
  const [program, ...args] = words
  if (program === undefined || program === '') throw unreadable('is empty')
  return [program, ...args]
}

/**
 * A wallet behind a program of the person's own (hardware wallet, key service): it gets the text on standard input and prints
 * the `personal_sign` signature, 0x and hex. `address` names whose it is. Throws `bad-input`; signing throws `bad-input` for an
 * answer that is no signature, `timed-out`, `tool-missing`, `process-failed`.
 */
export function externalSigner(command: string, address: string | undefined, timeoutMs = patienceMs): CliWallet {
  refuseRawKey('--signer', command)
  const [program, ...args] = splitCommand(command)
  if (address === undefined || !isAddress(address)) {
    throw new AppError({
      code: 'bad-input',
      detail: address === undefined ? 'The signer has no address.' : 'What --address gives is no address.',
      hint: "Say whose signatures it gives: --signer 'COMMAND' --address 0x…",
    })
  }
  return {
    address: getAddress(address),
    signText: (text) => ask(program, args, text, timeoutMs),
    signTransaction: () =>
      Promise.reject(
        new AppError({
          code: 'not-supported',
          detail: 'A signer command signs texts only.',
          hint: 'Send this transaction with --keystore FILE, or from the page of the host.',
        }),
      ),
  }
}

async function ask(program: string, args: readonly string[], text: string, timeoutMs: number): Promise<string> {
  // what it has to tell the person (press the button) goes where our own words go
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = Promise.withResolvers<number | NodeJS.Signals>()
  let output = ''
  child.on('error', ended.reject)
  child.on('close', (code, signal) => ended.resolve(code ?? signal ?? 'SIGKILL'))
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (chunk: string) => {
    if (output.length <= largestAnswer) output += chunk
    // at once: it may hang now instead of printing more
    if (output.length > largestAnswer) child.kill('SIGKILL')
  })
  // a signer that does not read is told of by its answer
  child.stdin.on('error', () => undefined)
  child.stdin.end(text)
  const early = new AbortController()
  void systemClock.wait(timeoutMs, early.signal).then(() => {
    if (early.signal.aborted) return
    ended.reject(new AppError({ code: 'timed-out', detail: `The signer ${program} gave no signature in ${timeoutMs / 1000} s.` }))
    child.kill('SIGKILL')
  })
  try {
    const end = await ended.promise
    if (end !== 0 && output.length <= largestAnswer) {
      throw new AppError({
        code: 'process-failed',
        detail: `The signer ${program} ended with ${end}.`,
        hint: 'Its own words stand above.',
      })
    }
    return signatureIn(output, program)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'EACCES')) {
      throw new AppError({
        code: 'tool-missing',
        detail: `The signer ${program} cannot be started.`,
        hint: 'Give its path; no shell reads this line.',
        cause,
      })
    }
    throw cause
  } finally {
    early.abort()
  }
}

/** Never repeats what was printed: it might be a key. */
function signatureIn(output: string, program: string): string {
  const signature = output.trim()
  if (/^0x(?:[0-9a-fA-F]{2}){1,10000}$/.test(signature)) return signature
  const what = signature === '' ? 'nothing' : `${signature.length} characters that are no signature`
  throw new AppError({
    code: 'bad-input',
    detail: `The signer ${program} printed ${what}.`,
    hint: 'It must print one personal_sign signature: 0x and hex digits.',
  })
}

function unreadable(what: string): AppError {
  return new AppError({
    code: 'bad-input',
    detail: `The command of --signer ${what}.`,
    hint: "Write it as 'program argument …'.",
  })
}
