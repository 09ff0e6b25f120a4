import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { generateKeyPair, parsePrivateKey, type PrivateKey } from 'wireguard-ts/key'
import { AppError } from '../errors/app-error.ts'
import { generateMessageKey, type MessageKey } from './requests/seal.ts'

/** All that must not leave the machine. */
export interface BrokerSecrets {
  wireguardKey: PrivateKey
  messageKey: MessageKey
  /** Private key of the registry's agent, `0x…`. */
  agentKey: string
  /** Password of the operator's page. */
  pagePassword: string
}

/** Reads the secrets; makes those that are missing, each in a file of mode 0600, never over an existing one. */
export async function loadSecrets(folder: string): Promise<BrokerSecrets> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const one = async (name: string, make: () => string | Promise<string>): Promise<string> =>
    (await read(join(folder, name))) ?? (await write(join(folder, name), await make()))
  const wireguardKey = parsePrivateKey(await one('wireguard-key', () => generateKeyPair().privateKey))
  const message = await one('message-key', async () => {
    const { publicKey, privateKey } = await generateMessageKey()
    return `${Buffer.from(publicKey).toString('hex')} ${Buffer.from(privateKey).toString('hex')}`
  })
  const [publicHex = '', privateHex = ''] = message.split(' ')
  return {
    wireguardKey,
    messageKey: { publicKey: Buffer.from(publicHex, 'hex'), privateKey: Buffer.from(privateHex, 'hex') },
    agentKey: await one('agent-key', () => Wallet.createRandom().privateKey),
    pagePassword: await one('page-password', () => randomBytes(18).toString('base64url')),
  }
}

async function read(path: string): Promise<string | undefined> {
  let file
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw unreadable('A key file cannot be opened.', cause)
  }
  try {
    const { mode } = await file.stat()
    if ((mode & 0o077) !== 0) throw unreadable(`A key file has mode ${(mode & 0o777).toString(8)}, not 600.`)
    return (await file.readFile('utf8')).trim()
  } finally {
    await file.close()
  }
}

/** By a link, which fails where a file is: two processes that start together end with one key. */
async function write(path: string, text: string): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${text}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(draft, path)
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause
  } finally {
    await unlink(draft)
  }
  return (await read(path)) ?? text
}

function unreadable(detail: string, cause?: unknown): AppError {
  return new AppError({
    code: 'config-unreadable',
    detail,
    hint: 'The files in the secrets folder must belong to the broker and be of mode 0600.',
    cause,
  })
}
