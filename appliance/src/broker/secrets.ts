import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { generateKeyPair, parsePrivateKey, type PrivateKey } from 'wireguard-ts/key'
import { readOrCreateSecretFile } from '../config/secret-file.ts'
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

const keyFile = {
  what: 'A key file',
  hint: 'The files in the secrets folder must belong to the broker and be of mode 0600.',
}

/** Reads the secrets; makes those that are missing, each in a file of mode 0600, never over an existing one. */
export async function loadSecrets(folder: string): Promise<BrokerSecrets> {
  const one = async (name: string, make: () => string | Promise<string>): Promise<string> =>
    String(await readOrCreateSecretFile(join(folder, name), async () => `${await make()}\n`, keyFile)).trim()
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
