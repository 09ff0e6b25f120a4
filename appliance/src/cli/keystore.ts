import { open } from 'node:fs/promises'
import { isKeystoreJson, Wallet } from 'ethers'
import { AppError } from '../errors/app-error.ts'
import { readSecretFile } from '../config/secret-file.ts'
import { refuseRawKey } from './raw-key.ts'
import { askTerminal } from './terminal.ts'
import { walletOf, type CliWallet } from './wallet.ts'

const largestFile = 64 * 1024

/**
 * Opens a keystore v3 file, with its part named `crypto` or `Crypto`. The passphrase is asked for at the terminal, or stands in
 * a file of mode 0600 for jobs without one; no variable of the environment and no argument ever holds it. Throws `bad-input`
 * for a file that is none, a raw key in its place (never repeated), a wrong passphrase, or no terminal; `config-unreadable` if others may read the passphrase.
 */
export async function openKeystore(file: string, passphraseFile?: string): Promise<CliWallet> {
  refuseRawKey('--keystore', file)
  const json = await readText(file)
  if (!isKeystoreJson(json)) throw refused(`${file} is no keystore v3 file.`)
  const passphrase = passphraseFile === undefined ? await ask(file) : await passphraseOf(passphraseFile)
  try {
    return walletOf(await Wallet.fromEncryptedJson(json, passphrase))
  } catch (cause) {
    // ethers tells a wrong passphrase by this word, and a damaged file by others
    const wrong = cause instanceof Error && cause.message.includes('incorrect password')
    throw refused(wrong ? `The passphrase does not open ${file}.` : `The keystore ${file} is damaged.`, cause)
  }
}

async function readText(file: string): Promise<string> {
  try {
    const handle = await open(file)
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(largestFile + 1), 0, largestFile + 1, 0)
      if (bytesRead > largestFile) throw new Error('too large for a keystore')
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    throw refused(`The keystore ${file} could not be read.`, cause)
  }
}

function ask(file: string): Promise<string> {
  return askTerminal(`Passphrase of ${file}: `, {
    hidden: true,
    withoutTerminal: 'For a job without a terminal: --passphrase-file FILE, of mode 0600.',
  })
}

async function passphraseOf(file: string): Promise<string> {
  const content = await readSecretFile(file, { what: `The passphrase file ${file}`, anyOwner: true })
  if (content === undefined) {
    throw new AppError({
      code: 'bad-input',
      detail: `The passphrase file ${file} is not there.`,
      hint: 'Write the passphrase into it, and set its mode to 0600.',
    })
  }
  return content.toString('utf8').replace(/\r?\n$/, '')
}

function refused(detail: string, cause?: unknown): AppError {
  return new AppError({
    code: 'bad-input',
    detail,
    hint: 'Give a keystore v3 file, as wallets export it, and its passphrase.',
    cause,
  })
}
