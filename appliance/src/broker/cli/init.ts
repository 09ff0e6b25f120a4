import { brokerRegistryInterface } from '@freehold/contracts/broker-registry'
import { Wallet } from 'ethers'
import { access, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { parseEndpoint } from 'wireguard-ts/address'
import { publicKeyOf } from 'wireguard-ts/key'
import { AppError } from '../../errors/app-error.ts'
import { parseBrokerConfig, type BrokerConfig } from '../config.ts'
import { checkEndpoint, type Lookup } from '../endpoint.ts'
import { knotConfig } from '../names/knot.ts'
import { reverseOrigin } from '../names/zone-text.ts'
import { loadSecrets } from '../secrets.ts'

/** What `init` is told. */
export interface InitAnswers {
  file: string
  pool: string
  uplink: string
  endpoint: string
  region: string
  rpcUrl: string
  chainId: number
  registry: string
  brokerId: number
  onLink: boolean
  zone?: string
  hostmaster?: string
  /** Base URL of the signed HTTP path, for the registration. */
  url?: string
  feeWei: bigint
  /** For stands. */
  allowDocumentation?: boolean
  stateFolder?: string
  secretsFolder?: string
  runFolder?: string
}

/** What `init` made, and what is left to a person. */
export interface InitResult {
  file: string
  agent: string
  wireguardKey: string
  /** Transaction that registers the broker, for the operator's own wallet. */
  register: { to: string; data: string }
  todo: string[]
}

/**
 * Writes configuration and keys, once: a file that is there is kept and refused. Everything is checked before anything is written.
 * Throws `config-invalid`, `bad-input`, `not-in-this-state`.
 */
export async function initBroker(answers: InitAnswers, lookup: Lookup): Promise<InitResult> {
  const { file } = answers
  const there = await access(file).then(
    () => true,
    () => false,
  )
  if (there)
    throw new AppError({
      code: 'not-in-this-state',
      detail: `${file} exists.`,
      hint: 'Edit it, or move it away and run init again.',
    })
  const host = parseEndpointOr(answers.endpoint)
  const text = stringify({
    region: answers.region,
    network: {
      mode: answers.onLink ? 'on-link' : 'routed',
      pool: answers.pool,
      uplink: answers.uplink,
      endpoint: answers.endpoint,
    },
    chain: { chainId: answers.chainId, rpcUrls: [answers.rpcUrl], registry: answers.registry, brokerId: answers.brokerId },
    ...(answers.zone === undefined
      ? {}
      : {
          names: {
            zone: answers.zone,
            nameServer: `ns.${answers.zone}`,
            nameServerAddresses: [],
            hostmaster: answers.hostmaster ?? `hostmaster@${answers.zone}`,
          },
        }),
    ...(answers.allowDocumentation === true ? { allowDocumentation: true } : {}),
    ...Object.fromEntries(
      (['stateFolder', 'secretsFolder', 'runFolder'] as const).flatMap((key) =>
        answers[key] === undefined ? [] : [[key, answers[key]]],
      ),
    ),
  })
  const draft = parseBrokerConfig(text, file)
  const addresses = await checkEndpoint(host, lookup, draft.allowDocumentation)
  if (draft.names !== undefined) draft.names.nameServerAddresses = [...addresses]
  const { pool, ...plain } = draft
  const secrets = await loadSecrets(draft.secretsFolder)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, stringify(plain), { flag: 'wx', mode: 0o644 })
  if (draft.names !== undefined) {
    const place = {
      zoneFolder: join(draft.stateFolder, 'zones'),
      stateFolder: join(draft.stateFolder, 'knot'),
      runFolder: join(draft.runFolder, 'knot'),
      listen: draft.names.listen,
    }
    await writeFile(join(dirname(file), 'knot.conf'), knotConfig(place, draft.names.zone, pool.network))
  }
  const agent = new Wallet(secrets.agentKey).address
  return {
    file,
    agent,
    wireguardKey: publicKeyOf(secrets.wireguardKey),
    register: {
      to: answers.registry,
      data: brokerRegistryInterface.encodeFunctionData('register', [
        {
          agent,
          fee: answers.feeWei,
          termSeconds: draft.terms.termSeconds,
          graceSeconds: draft.terms.graceSeconds,
          key: secrets.messageKey.publicKey,
          region: draft.region,
          url: answers.url ?? `https://${host.host}`,
        },
      ]),
    },
    todo: todoOf(draft, agent),
  }
}

function todoOf(config: BrokerConfig, agent: string): string[] {
  return [
    `Send the registration below from your own wallet, and write the broker id that it gives into chain.brokerId.`,
    `Fund the agent ${agent} with a little coin for answers on chain.`,
    ...(config.names === undefined
      ? []
      : [
          `Delegate ${config.names.zone} to ${config.names.nameServer} at your DNS provider, and ${reverseOrigin(config.pool.network)} at your provider of addresses.`,
        ]),
    'Put a TLS proxy before the HTTP path (packaging/freehold-broker/Caddyfile).',
    'Start it: systemctl enable --now freehold-broker.',
  ]
}

function parseEndpointOr(text: string): ReturnType<typeof parseEndpoint> {
  try {
    return parseEndpoint(text)
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : 'no endpoint'
    throw new AppError({
      code: 'bad-input',
      detail,
      hint: 'Write host:port or [ipv6]:port.',
      fields: [{ pointer: '/network/endpoint', detail }],
      cause,
    })
  }
}
