import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Wallet } from 'ethers'
import { AppError } from '../errors/app-error.ts'

/** Who signs for the person at the terminal. Keys never stand in arguments or the environment. */
export interface CliWallet {
  address: string
  signText(text: string): Promise<string>
  signTransaction(transaction: Parameters<Wallet['signTransaction']>[0]): Promise<string>
}

/** A wallet from an ethers key. */
export function walletOf(wallet: Pick<Wallet, 'address' | 'signMessage' | 'signTransaction'>): CliWallet {
  return {
    address: wallet.address,
    signText: (text) => wallet.signMessage(text),
    signTransaction: (transaction) => wallet.signTransaction(transaction),
  }
}

/** Asks for a line without showing it. Throws `bad-input` without a terminal. */
async function askPassphrase(question: string): Promise<string> {
  if (process.stdin.isTTY !== true) {
    let text = ''
    for await (const chunk of process.stdin) text += String(chunk)
    return text.replace(/\r?\n$/, '')
  }
  process.stderr.write(question)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const lines = createInterface({ input: process.stdin, terminal: true })
  lines.on('line', resolve)
  lines.on('SIGINT', () => reject(new AppError({ code: 'bad-input', detail: 'No passphrase was given.' })))
  try {
    return await promise
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}

/**
 * Opens a keystore v3 file (`crypto` or `Crypto`). The passphrase is asked for at the terminal, or read from standard input
 * where there is none. Throws `bad-input` for a file that is none or a wrong passphrase.
 */
export async function openKeystore(file: string): Promise<CliWallet> {
  let json: string
  try {
    json = await readFile(file, 'utf8')
  } catch (cause) {
    throw new AppError({
      code: 'bad-input',
      detail: `The keystore ${file} could not be read.`,
      hint: 'Give the path of a keystore v3 file.',
      cause,
    })
  }
  const passphrase = await askPassphrase(`Passphrase of ${file}: `)
  try {
    return walletOf(await Wallet.fromEncryptedJson(json, passphrase))
  } catch (cause) {
    throw new AppError({
      code: 'bad-input',
      detail: `The keystore ${file} could not be opened.`,
      hint: 'Check the passphrase and that it is a keystore v3 file.',
      cause,
    })
  }
}
