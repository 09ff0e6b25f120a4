import { AppError } from '../errors/app-error.ts'

/**
 * Refuses a raw private key where a name belongs: arguments stand in the shell's history and in every list of processes. Throws
 * `bad-input` without a character of it; `option` is the option that held it.
 */
export function refuseRawKey(option: string, word: string): void {
  // quotes or a folder before it change nothing
  if (!/(?:^|[^0-9a-z])(?:0x)?[0-9a-f]{64}(?![0-9a-z])/i.test(word)) return
  throw new AppError({
    code: 'bad-input',
    detail: `What ${option} holds looks like a raw private key, which never belongs into an argument.`,
    hint: 'If it is one, move what it holds: it stands in the history of your shell. Then use --keystore FILE, of keystore v3.',
  })
}
