import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Wallet, type TransactionLike } from 'ethers'
import { AppError } from '../errors/app-error.ts'
import type { Address } from './subscription.ts'

/** The hot key on the host, as something that signs. The key itself cannot be read out, printed or put into JSON. */
export interface ProvisionerKey {
  readonly address: Address
  /** The raw signed transaction, `0x…`. */
  sign(transaction: TransactionLike): Promise<string>
  /** `personal_sign` of a text that this host itself wrote. */
  signText(text: string): Promise<string>
}

function unreadable(detail: string, cause?: unknown): AppError {
  return new AppError({
    code: 'config-unreadable',
    detail,
    hint: 'The file of the provisioner key must belong to the daemon, be of mode 0600 and hold a key.',
    cause,
  })
}

/** Content of a secret file, after owner and mode were checked on the open descriptor. Undefined if there is none. */
async function readSecret(path: string): Promise<string | undefined> {
  let file
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw unreadable('The file of a key cannot be opened.', cause)
  }
  try {
    const status = await file.stat()
    if (!status.isFile()) throw unreadable('A key must be a plain file.')
    if ((status.mode & 0o077) !== 0) throw unreadable(`The file of a key has mode ${(status.mode & 0o777).toString(8)}, not 600.`)
    if (status.uid !== process.getuid?.()) throw unreadable('The file of a key belongs to another user.')
    if (status.size > 65_536) throw unreadable('The file of a key is too long.')
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** Writes a file of mode 0600 that is there whole or not at all, and never in the place of another. */
async function writeSecret(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    // link refuses an existing name, rename would replace a key
    await link(temporary, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await unlink(temporary)
  }
}

async function walletFrom(text: string, path: string): Promise<Pick<Wallet, 'address' | 'signTransaction' | 'signMessage'>> {
  const content = text.trim()
  try {
    if (/^(0x)?[0-9a-fA-F]{64}$/.test(content)) return new Wallet(content.startsWith('0x') ? content : `0x${content}`)
    if (content.startsWith('{')) {
      const passphrase = await readSecret(`${path}.passphrase`)
      if (passphrase === undefined) throw new Error('no passphrase file')
      return await Wallet.fromEncryptedJson(content, passphrase.replace(/\n$/, ''))
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    // ethers puts what it was given into its messages: the cause is dropped
    throw unreadable('The file of the provisioner key holds no usable key.')
  }
  throw unreadable('The file of the provisioner key holds no usable key.')
}

/**
 * Reads the provisioner key, or makes one if there is none: raw hex (what is made), or a v3 keystore whose passphrase lies in
 * `<path>.passphrase`. Throws AppError `config-unreadable` for wrong owner, mode or content; a bad file is never replaced.
 */
export async function loadOrCreateKey(path: string): Promise<ProvisionerKey> {
  let text = await readSecret(path)
  if (text === undefined) {
    await writeSecret(path, `${Wallet.createRandom().privateKey}\n`)
    // read back: two starters at once end with the same key
    text = await readSecret(path)
  }
  if (text === undefined) throw unreadable('The file of the provisioner key could not be read back.')
  const wallet = await walletFrom(text, path)
  return {
    address: wallet.address.toLowerCase() as Address,
    sign: (transaction) => wallet.signTransaction(transaction),
    signText: (text) => wallet.signMessage(text),
  }
}
