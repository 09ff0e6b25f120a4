import { execFile } from 'node:child_process'
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../errors/app-error.ts'
import { readOrCreateSecretFile } from '../config/secret-file.ts'
import { newTlsIdentity, spkiSha256Of, type TlsIdentity } from './tls-identity.ts'

/** All secrets of signing in. Losing them means a reinstall of every guest; whoever runs the host keeps a copy elsewhere. */
export interface Secrets {
  /** 32 bytes, from which each VM's secret and token are derived. */
  master: Buffer
  statementKey: KeyObject
  /** Base64 of the 32 raw bytes of its public half, for the seed. */
  statementKeyRaw: string
  login: TlsIdentity
  /** Base64, for the seed. */
  spkiSha256: string
  /** `ssh-ed25519 AAAA…`: signs user certificates. */
  userCa: string
  /** Its private half, for `ssh-keygen -s`. */
  userCaPath: string
}

const run = promisify(execFile)

/**
 * Reads the secrets of `folder`, making what is missing: 0600 files in a 0700 folder, each written whole. Throws
 * `config-unreadable` for a damaged or readable-by-others file, `tool-missing` without ssh-keygen. Two calls get the same.
 */
export async function loadOrCreateSecrets(folder: string): Promise<Secrets> {
  const master = await readOrCreateSecretFile(join(folder, 'master'), () => Promise.resolve(randomBytes(32)))
  if (master.length !== 32) throw damaged('master')
  const statementPem = await readOrCreateSecretFile(join(folder, 'statement-key.pem'), newStatementKey)
  const statementKey = parse('statement-key.pem', () => createPrivateKey(statementPem))
  if (statementKey.asymmetricKeyType !== 'ed25519') throw damaged('statement-key.pem')
  // key and certificate in one file, so that no crash leaves one without the other
  const loginPem = await readOrCreateSecretFile(join(folder, 'login-endpoint.pem'), async () => {
    const made = await newTlsIdentity()
    return made.keyPem + made.certificatePem
  })
  const login = splitPem(loginPem.toString('utf8'))
  const userCaPath = join(folder, 'user-ca')
  await readOrCreateSecretFile(userCaPath, () => newSshKey(folder))
  return {
    master,
    statementKey,
    statementKeyRaw: Buffer.from(createPublicKey(statementKey).export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64'),
    login,
    spkiSha256: parse('login-endpoint.pem', () => spkiSha256Of(login.certificatePem)),
    userCa: await publicLine(userCaPath),
    userCaPath,
  }
}

function newStatementKey(): Promise<string> {
  return Promise.resolve(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
}

/** OpenSSH's own format, made by OpenSSH: `ssh-keygen -s` reads nothing else for Ed25519. */
async function newSshKey(folder: string): Promise<string> {
  const draft = await mkdtemp(join(folder, '.new-'))
  try {
    await sshKeygen(['-q', '-t', 'ed25519', '-N', '', '-C', 'freehold-user-ca', '-f', join(draft, 'key')])
    return await readFile(join(draft, 'key'), 'utf8')
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function publicLine(path: string): Promise<string> {
  const stdout = await sshKeygen(['-y', '-f', path])
  const line = /^ssh-ed25519 [A-Za-z0-9+/=]{68}/.exec(stdout)?.[0]
  if (line === undefined) throw damaged('user-ca')
  return line
}

async function sshKeygen(args: string[]): Promise<string> {
  try {
    return (await run('ssh-keygen', args, { timeout: 20_000, env: { PATH: process.env['PATH'] } })).stdout
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      throw new AppError({ code: 'tool-missing', detail: 'ssh-keygen is not installed.', hint: 'Install openssh-client.', cause })
    }
    throw damaged('user-ca', cause)
  }
}

function splitPem(text: string): TlsIdentity {
  const part = (label: string) => new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----\n`).exec(text)?.[0]
  const [keyPem, certificatePem] = [part('PRIVATE KEY'), part('CERTIFICATE')]
  if (keyPem === undefined || certificatePem === undefined) throw damaged('login-endpoint.pem')
  return { keyPem, certificatePem }
}

function parse<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw damaged(name, cause)
  }
}

function damaged(name: string, cause?: unknown): AppError {
  return new AppError({
    code: 'config-unreadable',
    detail: `The secret ${name} is damaged.`,
    hint: 'Put it back from your copy of the secrets; a new one locks every guest out until it is reinstalled.',
    cause,
  })
}
