import { lstat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { connect } from 'node:tls'
import { createHash } from 'node:crypto'
import { statusSchema } from '../../api/schemas/status.ts'
import { createClients } from '../../chain/any-client.ts'
import { createChainReader } from '../../chain/chain-reader.ts'
import { loadOrCreateKey } from '../../chain/provisioner-key.ts'
import { systemClock } from '../../clock/clock.ts'
import type { Config } from '../../config/schema.ts'
import { readSecretFile } from '../../config/secret-file.ts'
import { spkiSha256Of } from '../../sign-in/tls-identity.ts'
import type { ApiClient } from '../client.ts'
import { check, Finding, type Check } from './check.ts'

/** The newest block may be so far from our clock before somebody should look; ten minutes deny every login (design §6). */
const clockWarning = 120
const clockFailure = 600
const answersWithinMs = 10_000

/** Doors answer, the chain is the right one and fresh, the contracts are there and know this host's key. Sends no transaction. */
export async function reachChecks(
  stateFolder: string,
  config: Config,
  doors: { admin: ApiClient; origin: ApiClient },
): Promise<Check[]> {
  const { chain, contracts } = config
  const clients = createClients(chain.rpcUrls)
  return await Promise.all([
    check('daemon', async () => {
      const status = await doors.admin.call(statusSchema, 'GET', '/v1/status')
      if (status.storefront !== 'open')
        throw new Finding(
          `the storefront is not open: ${status.closedBecause ?? status.storefront}`,
          'freehold issues',
          'warning',
        )
      return 'freeholdd answers at the operator’s door'
    }),
    check('public-door', async () => {
      const path = isAbsolute(config.listen.api) ? config.listen.api : join(stateFolder, config.listen.api)
      const status = await lstat(path).catch(() => undefined)
      if (status?.isSocket() !== true)
        throw new Finding(`${path} is not there`, 'Start the host; freehold status says why it is closed.')
      if ((status.mode & 0o007) !== 0) throw new Finding(`${path} is open to everybody on this machine`, 'Restart the host.')
      return 'the socket is closed to others'
    }),
    check('origin', async () => {
      const { origin, chain: told } = await doors.origin.call(statusSchema, 'GET', '/v1/status')
      if (new URL(origin).origin !== new URL(config.origin).origin || told.chainId !== chain.chainId) {
        throw new Finding(`another host answers at ${config.origin}`, 'Look at the name, and at Caddy.')
      }
      return `${config.origin} answers as this host`
    }),
    check('login-endpoint', async () => {
      const expected = await pinOf(join(stateFolder, 'secrets/sign-in/login-endpoint.pem'))
      if ((await presentedAt(config.listen.login)) !== expected) {
        throw new Finding(`another key answers at ${config.listen.login}`, 'See what else listens there; guests refuse it.')
      }
      return `${config.listen.login} answers with the key that guests pin`
    }),
    ...clients.map((client, i) =>
      check(`chain-${i + 1}`, async () => {
        const id = Number(await client.call('eth_chainId'))
        if (id !== chain.chainId)
          throw new Finding(`${client.host} is network ${id}, not ${chain.chainId}`, 'Set chain.rpcUrls right.')
        return `${client.host} is network ${id}`
      }),
    ),
    check('clock', async () => {
      const [first] = contracts
      if (first === undefined) throw new Finding('no contract is configured', 'Set the host up: freehold apply FILE')
      const { latest } = await readerOf(config, first).heads()
      const off = systemClock.now() - latest.timestamp
      const text = `the newest block is ${Math.abs(off)} s ${off < 0 ? 'ahead of' : 'behind'} this machine's clock`
      const remedy = 'See whether the node follows its network, and timedatectl.'
      // development moves a local chain's time
      if (Math.abs(off) > clockFailure) throw new Finding(text, remedy, chain.chainId === 31_337 ? 'warning' : 'failed')
      if (Math.abs(off) > clockWarning) throw new Finding(text, remedy, 'warning')
      return text
    }),
    ...contracts.map((contract, i) =>
      check(`contract-${i + 1}`, async () => {
        const { provisioner, block } = await readerOf(config, contract).snapshot('latest')
        const own = (await ownKey(stateFolder)).address
        if (provisioner.toLowerCase() !== own.toLowerCase()) {
          throw new Finding(
            `${contract.address} names another provisioner (${provisioner}) than this host (${own}): this host changes nothing`,
            'If this host is to serve it, the owner sends setProvisioner.',
            i === 0 ? 'failed' : 'warning',
          )
        }
        return `${contract.address} answers at block ${block.number} and names this host's key`
      }),
    ),
  ])
}

function readerOf(config: Config, contract: Config['contracts'][number]) {
  const { chainId, confirmations, rpcUrls } = config.chain
  return createChainReader({
    clients: createClients(rpcUrls),
    chainId,
    contract: contract.address,
    confirmations,
    clock: systemClock,
  })
}

/** Looks first: what makes a key where there is none must not be called by a check. */
async function ownKey(stateFolder: string) {
  const path = join(stateFolder, 'secrets/provisioner.key')
  if ((await lstat(path).catch(() => undefined)) === undefined)
    throw new Finding(`${path} is not there`, 'Restore it, or set the host up.')
  return await loadOrCreateKey(path)
}

async function pinOf(path: string): Promise<string> {
  const pem = await readSecretFile(path, { anyOwner: true })
  if (pem === undefined) throw new Finding(`${path} is not there`, 'Put it back from your copy of the secrets.')
  const text = pem.toString('utf8')
  return spkiSha256Of(text.slice(text.indexOf('-----BEGIN CERTIFICATE')))
}

/** SHA-256 of the key that an endpoint presents, as guests pin it. */
async function presentedAt(at: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const port = Number(at.slice(at.lastIndexOf(':') + 1))
  const host = at.slice(0, at.lastIndexOf(':')).replaceAll(/[[\]]/g, '')
  // as guests do: no authority and no name counts, only the key, which the caller compares
  const socket = connect({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.3', timeout: answersWithinMs }, () => {
    const spki = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' })
    if (spki === undefined) reject(new Finding(`${at} shows no key`, 'Restart the host.'))
    else resolve(createHash('sha256').update(spki).digest('base64'))
  })
  const silent = (): void => reject(new Finding(`nothing answers at ${at}`, 'Start the host; see its log.'))
  socket.on('timeout', silent)
  socket.on('error', silent)
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}
