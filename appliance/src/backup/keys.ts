import { join } from 'node:path'
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { readOrCreateSecretFile, readSecretFile } from '../config/secret-file.ts'
import { AppError } from '../errors/app-error.ts'

/** The part of the configuration that says to whom backups are sealed. */
export interface SealedTo {
  /** Public half of the operator's recovery key. */
  recipient?: string | undefined
  /** File of mode 0600 with a passphrase; for whoever wants none to keep but the one in the head. */
  passphraseFile?: string | undefined
}

/** What a file is sealed with: age recipients, or a passphrase, never both (age refuses the mixture). */
export type SealKeys = { recipients: readonly string[] } | { passphrase: string }
/** What opens a file: an age identity, or a passphrase. */
export type OpenKeys = { identity: string } | { passphrase: string }

/** A key made for the operator: `identity` is shown once and kept nowhere, `recipient` goes into the configuration. */
export interface RecoveryKey {
  identity: string
  recipient: string
}

/** The shortest passphrase that is taken. */
export const passphraseMinimum = 12

/** The host's own key, so that it can read back what it wrote. Whoever holds the host holds what the backup holds. */
export const ownKeyFile = 'backup-read-back.key'

/** A new recovery key: X25519, as `age-keygen` makes it. */
export async function newRecoveryKey(): Promise<RecoveryKey> {
  const identity = await generateX25519Identity()
  return { identity, recipient: await identityToRecipient(identity) }
}

/** True if backups can be sealed at all. */
export function isSealed({ recipient, passphraseFile }: SealedTo): boolean {
  return recipient !== undefined || passphraseFile !== undefined
}

/**
 * The keys of this host's own backups. With a recipient the file is sealed to the operator and to this host; with a passphrase
 * to that alone. Throws `backup-not-set-up`, `config-unreadable`.
 */
export async function hostKeys(to: SealedTo, secretsFolder: string): Promise<{ seal: SealKeys; open: OpenKeys }> {
  if (to.recipient !== undefined) {
    const own = await readOrCreateSecretFile(join(secretsFolder, ownKeyFile), async () => `${await generateX25519Identity()}\n`)
    const identity = own.toString('utf8').trim()
    return { seal: { recipients: [to.recipient, await identityToRecipient(identity)] }, open: { identity } }
  }
  if (to.passphraseFile !== undefined) {
    const passphrase = await readPassphrase(to.passphraseFile)
    return { seal: { passphrase }, open: { passphrase } }
  }
  throw new AppError({
    code: 'backup-not-set-up',
    detail: 'The configuration names neither backup.recipient nor backup.passphraseFile.',
  })
}

/** Throws `config-unreadable` for a file that is missing, readable by others, or holds too short a passphrase. */
export async function readPassphrase(path: string): Promise<string> {
  const what = 'The file with the passphrase of the backups'
  const hint = `It must belong to the daemon, be of mode 0600 and hold at least ${passphraseMinimum} characters in one line.`
  const content = await readSecretFile(path, { what, hint })
  const passphrase = content?.toString('utf8').replace(/\r?\n$/, '')
  if (passphrase === undefined || passphrase.length < passphraseMinimum || passphrase.includes('\n')) {
    const problem = passphrase === undefined ? 'is not there' : 'holds too short a passphrase, or several lines'
    throw new AppError({ code: 'config-unreadable', detail: `${what} ${problem}.`, hint, cause: new Error(path) })
  }
  return passphrase
}

/** What a person typed: `AGE-SECRET-KEY-…`, the file of `age-keygen` with its comments, or a passphrase. Throws `bad-input`. */
export function openKeysOf(typed: string): OpenKeys {
  const lines = typed
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const identity = lines.find((line) => /^AGE-SECRET-KEY-1/i.test(line))
  if (identity !== undefined) return { identity: identity.toUpperCase() }
  const [passphrase] = lines
  if (passphrase !== undefined && lines.length === 1 && passphrase.length >= passphraseMinimum) return { passphrase }
  throw new AppError({
    code: 'bad-input',
    detail: 'That is neither a recovery key nor a passphrase.',
    hint: `A recovery key begins with AGE-SECRET-KEY-1; a passphrase has at least ${passphraseMinimum} characters.`,
    fields: [{ pointer: '/key', detail: 'neither a recovery key nor a passphrase' }],
  })
}

/** age's writer for these keys. `workFactor` of scrypt is 2 to that power: 18, as `age` itself takes. Throws `config-invalid`. */
export function sealer(keys: SealKeys, workFactor = 18): Encrypter {
  const age = new Encrypter()
  try {
    if ('passphrase' in keys) {
      age.setScryptWorkFactor(workFactor)
      age.setPassphrase(keys.passphrase)
    } else for (const recipient of keys.recipients) age.addRecipient(recipient)
  } catch (cause) {
    throw new AppError({
      code: 'config-invalid',
      detail: 'backup.recipient is no recipient of age.',
      hint: 'It begins with age1 and is printed by: freehold backup key',
      cause,
    })
  }
  return age
}

/** age's reader for these keys. Throws `backup-key-wrong` for what is no key at all. */
export function opener(keys: OpenKeys): Decrypter {
  const age = new Decrypter()
  try {
    if ('passphrase' in keys) age.addPassphrase(keys.passphrase)
    else age.addIdentity(keys.identity)
  } catch (cause) {
    throw new AppError({ code: 'backup-key-wrong', detail: 'This is no recovery key: a letter is missing or wrong.', cause })
  }
  return age
}
