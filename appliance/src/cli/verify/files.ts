import { execFile } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { check, Finding, type Check } from './check.ts'

const run = promisify(execFile)
const fromCopy = 'Put it back from your copy of the secrets; a new one would lock guests out until they are reinstalled.'

/** Reads an own plain file of mode 0600, links not followed. Throws Finding. */
async function secretOf(path: string, uid: number): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    throw new Finding(missing ? `${path} is not there` : `${path} cannot be opened as a plain file`, fromCopy)
  })
  try {
    const status = await file.stat()
    if (!status.isFile()) throw new Finding(`${path} is no plain file`, fromCopy)
    if ((status.mode & 0o077) !== 0 || status.uid !== uid) {
      throw new Finding(
        `${path} is open to others than the daemon's user (mode ${(status.mode & 0o777).toString(8)}, owner ${status.uid})`,
        `Set it right: chown ${uid} and chmod 600; if others may have read it, make a new one.`,
      )
    }
    if (status.size > 65_536) throw new Finding(`${path} is longer than it can be`, fromCopy)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

function must(condition: boolean, text: string, remedy = fromCopy): void {
  if (!condition) throw new Finding(text, remedy)
}

/** Folders, owners, modes; every secret is there, private and what it should be; the database is whole. Writes nothing. */
export async function fileChecks(stateFolder: string, uid: number): Promise<Check[]> {
  const secrets = join(stateFolder, 'secrets')
  const signIn = join(secrets, 'sign-in')
  return await Promise.all([
    check('state-folder', async () => {
      const { mode, uid: owner } = await lstat(stateFolder)
      must(owner === uid, `${stateFolder} belongs to user ${owner}, not to ${uid}`, `chown ${uid} ${stateFolder}`)
      must((mode & 0o022) === 0, `${stateFolder} can be written by others`, `chmod go-w ${stateFolder}`)
      return `${stateFolder} belongs to user ${uid}, who alone may write there`
    }),
    check('secrets-folder', async () => {
      for (const folder of [secrets, signIn]) {
        const status = await lstat(folder).catch(() => undefined)
        must(status?.isDirectory() === true, `${folder} is not there`)
        must(
          status?.uid === uid && (status.mode & 0o077) === 0,
          `${folder} is open to others`,
          `chown ${uid} and chmod 700 ${folder}`,
        )
      }
      return 'both folders are 0700'
    }),
    check('master-secret', async () => {
      must((await secretOf(join(signIn, 'master'), uid)).length === 32, 'the master secret is not 32 bytes')
      return '32 bytes, 0600'
    }),
    check('statement-key', async () => {
      const pem = await secretOf(join(signIn, 'statement-key.pem'), uid)
      must(keyType(pem) === 'ed25519', 'the statement key is no Ed25519 key')
      return 'Ed25519, 0600'
    }),
    check('login-key', async () => {
      const pem = (await secretOf(join(signIn, 'login-endpoint.pem'), uid)).toString('utf8')
      must(keyType(pem) === 'ec' && matches(pem), 'key and certificate of the login endpoint do not belong together')
      return 'the certificate belongs to the key, 0600'
    }),
    check('user-ca', async () => {
      const path = join(signIn, 'user-ca')
      await secretOf(path, uid)
      const { stdout } = await run('ssh-keygen', ['-y', '-P', '', '-f', path], { timeout: 20_000 }).catch(() => ({ stdout: '' }))
      must(stdout.startsWith('ssh-ed25519 '), 'the user CA cannot be read by ssh-keygen')
      return 'an Ed25519 key that ssh-keygen reads, 0600'
    }),
    check('provisioner-key', async () => {
      await secretOf(join(secrets, 'provisioner.key'), uid)
      return '0600; the check provisioner says whether the contract knows it'
    }),
    check('database', async () => {
      if (!isWhole(join(stateFolder, 'freehold.db'))) {
        const remedy = 'Stop the host, move the file away, start it, and run: freehold rebuild'
        throw new Finding('the database is absent or damaged', remedy)
      }
      return await Promise.resolve('SQLite finds it whole')
    }),
    check('operator-door', async () => {
      const path = join(stateFolder, 'run/admin.sock')
      const status = await lstat(path).catch(() => undefined)
      must(status?.isSocket() === true, `${path} is not there`, 'Start the host.')
      must(status?.uid === uid && (status.mode & 0o777) === 0o600, `${path} is not 0600 of user ${uid}`, 'Restart the host.')
      return 'the socket is 0600'
    }),
  ])
}

function isWhole(path: string): boolean {
  try {
    const database = new DatabaseSync(path, { readOnly: true })
    try {
      database.exec('PRAGMA busy_timeout = 5000')
      return database.prepare('PRAGMA quick_check(1)').all()[0]?.['quick_check'] === 'ok'
    } finally {
      database.close()
    }
  } catch {
    return false
  }
}

function keyType(pem: string | Buffer): string | undefined {
  try {
    return createPrivateKey(pem).asymmetricKeyType
  } catch {
    return undefined
  }
}

function matches(pem: string): boolean {
  try {
    return new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERTIFICATE'))).checkPrivateKey(createPrivateKey(pem))
  } catch {
    return false
  }
}
