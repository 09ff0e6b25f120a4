import { Wallet, type TransactionLike } from 'ethers'
import { AppError } from '../errors/app-error.ts'
import { readOrCreateSecretFile, readSecretFile } from '../config/secret-file.ts'
import type { Address } from './subscription.ts'

/** The hot key on the host, as something that signs. The key itself cannot be read out, printed or put into JSON. */
export interface ProvisionerKey {
  readonly address: Address
  /** The raw signed transaction, `0x…`. */
  sign(transaction: TransactionLike): Promise<string>
  /** `personal_sign` of a text that this host itself wrote. */
  signText(text: string): Promise<string>
}

const file = {
  what: 'The file of the provisioner key',
  hint: 'The file of the provisioner key must belong to the daemon, be of mode 0600 and hold a key.',
}

function unusable(): AppError {
  return new AppError({ code: 'config-unreadable', detail: `${file.what} holds no usable key.`, hint: file.hint })
}

async function walletFrom(text: string, path: string): Promise<Pick<Wallet, 'address' | 'signTransaction' | 'signMessage'>> {
  const content = text.trim()
  try {
    if (/^(0x)?[0-9a-fA-F]{64}$/.test(content)) return new Wallet(content.startsWith('0x') ? content : `0x${content}`)
    if (content.startsWith('{')) {
      const passphrase = await readSecretFile(`${path}.passphrase`, file)
      if (passphrase === undefined) throw new Error('no passphrase file')
      return await Wallet.fromEncryptedJson(content, passphrase.toString().replace(/\n$/, ''))
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    // ethers puts what it was given into its messages: the cause is dropped
    throw unusable()
  }
  throw unusable()
}

/**
 * Reads the provisioner key, or makes one if there is none: raw hex (what is made), or a v3 keystore whose passphrase lies in
 * `<path>.passphrase`. Throws AppError `config-unreadable` for wrong owner, mode or content; a bad file is never replaced.
 */
export async function loadOrCreateKey(path: string): Promise<ProvisionerKey> {
  // read back: two starters at once end with the same key
  const text = await readOrCreateSecretFile(path, () => Promise.resolve(`${Wallet.createRandom().privateKey}\n`), file)
  const wallet = await walletFrom(text.toString(), path)
  return {
    address: wallet.address.toLowerCase() as Address,
    sign: (transaction) => wallet.signTransaction(transaction),
    signText: (text) => wallet.signMessage(text),
  }
}
