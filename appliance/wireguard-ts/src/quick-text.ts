import { endpointText, parseCidr, parseEndpoint, parseInterfaceAddress, type InterfaceAddress } from './address.ts'
import type { Peer } from './config.ts'
import { WireGuardError } from './errors.ts'
import { parsePresharedKey, parsePrivateKey, parsePublicKey, type PrivateKey } from './key.ts'

/** The text of wg-quick(8) as values. Hooks are kept apart: they are shell lines, and nothing here ever runs one. */
export interface QuickConfig {
  privateKey: PrivateKey
  listenPort?: number
  fwmark?: number
  addresses: readonly InterfaceAddress[]
  dns: readonly string[]
  mtu?: number
  /** `auto`, `off` or a number. */
  table?: string
  saveConfig?: boolean
  hooks: { preUp: readonly string[]; postUp: readonly string[]; preDown: readonly string[]; postDown: readonly string[] }
  peers: readonly Peer[]
}

type Section = Map<string, { value: string; line: number }[]>

const interfaceKeys = [
  'privatekey',
  'listenport',
  'fwmark',
  'address',
  'dns',
  'mtu',
  'table',
  'preup',
  'postup',
  'predown',
  'postdown',
  'saveconfig',
]
const peerKeys = ['publickey', 'presharedkey', 'endpoint', 'allowedips', 'persistentkeepalive']
/** Keys that may stand more than once; each adds to the list. */
const lists = new Set(['address', 'dns', 'preup', 'postup', 'predown', 'postdown', 'allowedips'])

/**
 * Parses the text of a wg-quick file. Names of keys in any case, comments, repeated list keys. Throws `bad-config` with the
 * line; no error repeats a value of a key line. Hooks are refused unless `hooks` is `keep`: a file from outside must not
 * bring shell lines.
 */
export function parseQuickText(text: string, options: { hooks?: 'refuse' | 'keep' } = {}): QuickConfig {
  if (text.includes('\0')) throw wrong(1, 'the text holds a NUL byte', 'Send a plain text file.')
  const { head, peers } = sectionsOf(text)
  const hooks = {
    preUp: all(head, 'preup'),
    postUp: all(head, 'postup'),
    preDown: all(head, 'predown'),
    postDown: all(head, 'postdown'),
  }
  const [hook] = Object.values(hooks).flat()
  if (hook !== undefined && options.hooks !== 'keep') {
    throw wrong(hook.line, 'the file has a hook, which is a shell line', 'Remove PreUp, PostUp, PreDown and PostDown.')
  }
  const privateKey = one(head, 'privatekey')
  if (privateKey === undefined) throw wrong(1, 'there is no PrivateKey in [Interface]', 'Add the line PrivateKey = ….')
  const listenPort = numberOf(head, 'listenport', 0, 65535)
  const fwmark = fwmarkOf(head)
  const mtu = numberOf(head, 'mtu', 576, 65535)
  const table = one(head, 'table')
  const save = one(head, 'saveconfig')
  return {
    privateKey: at(privateKey, parsePrivateKey),
    addresses: items(head, 'address').map((item) => at(item, parseInterfaceAddress)),
    dns: items(head, 'dns').map((item) => at(item, dnsOf)),
    hooks: {
      preUp: texts(hooks.preUp),
      postUp: texts(hooks.postUp),
      preDown: texts(hooks.preDown),
      postDown: texts(hooks.postDown),
    },
    peers: peers.map(peerOf),
    ...(listenPort !== undefined && { listenPort }),
    ...(fwmark !== undefined && { fwmark }),
    ...(mtu !== undefined && { mtu }),
    ...(table !== undefined && { table: at(table, tableOf) }),
    ...(save !== undefined && { saveConfig: at(save, booleanOf) }),
  }
}

/** The text of a configuration, in the order of wg-quick(8). Holds secrets. Throws `bad-config` if a value has a line break. */
export function quickText(config: QuickConfig): string {
  const lines = ['[Interface]', `PrivateKey = ${config.privateKey}`]
  const add = (key: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== '') lines.push(`${key} = ${value}`)
  }
  add('ListenPort', config.listenPort)
  add('FwMark', config.fwmark === undefined ? undefined : `0x${config.fwmark.toString(16)}`)
  add('Address', config.addresses.join(', '))
  add('DNS', config.dns.join(', '))
  add('MTU', config.mtu)
  add('Table', config.table)
  for (const [key, values] of Object.entries(config.hooks)) {
    for (const value of values) add(`${key[0]?.toUpperCase()}${key.slice(1)}`, value)
  }
  if (config.saveConfig !== undefined) add('SaveConfig', String(config.saveConfig))
  return `${[...lines, ...peerLines(config.peers)].map(oneLine).join('\n')}\n`
}

/** The part that `wg setconf`, `syncconf` and `addconf` take: no addresses, routes, names or hooks. Holds secrets. */
export function strippedText(config: Pick<QuickConfig, 'privateKey' | 'listenPort' | 'fwmark' | 'peers'>): string {
  const lines = ['[Interface]', `PrivateKey = ${config.privateKey}`]
  if (config.listenPort !== undefined) lines.push(`ListenPort = ${config.listenPort}`)
  if (config.fwmark !== undefined) lines.push(`FwMark = 0x${config.fwmark.toString(16)}`)
  return `${[...lines, ...peerLines(config.peers)].map(oneLine).join('\n')}\n`
}

function peerLines(peers: readonly Peer[]): string[] {
  return peers.flatMap((peer) => [
    '',
    '[Peer]',
    `PublicKey = ${peer.publicKey}`,
    ...(peer.presharedKey === undefined ? [] : [`PresharedKey = ${peer.presharedKey}`]),
    ...(peer.endpoint === undefined ? [] : [`Endpoint = ${endpointText(peer.endpoint)}`]),
    ...(peer.allowedIps.length === 0 ? [] : [`AllowedIPs = ${peer.allowedIps.join(', ')}`]),
    ...(peer.persistentKeepaliveSeconds === undefined ? [] : [`PersistentKeepalive = ${peer.persistentKeepaliveSeconds}`]),
  ])
}

function sectionsOf(text: string): { head: Section; peers: Section[] } {
  let current: Section | undefined
  let head: Section | undefined
  const peers: Section[] = []
  text.split(/\r?\n/).forEach((raw, i) => {
    const line = i + 1
    const plain = raw.replace(/#.*$/, '').trim()
    if (plain === '') return
    const section = /^\[(.*)\]$/.exec(plain)?.[1]?.toLowerCase()
    if (section === 'interface') {
      if (head !== undefined) throw wrong(line, 'a second [Interface]', 'Keep one [Interface] in a file.')
      current = head = new Map()
    } else if (section === 'peer') peers.push((current = new Map()))
    else if (section !== undefined)
      throw wrong(line, `an unknown section [${section.slice(0, 40)}]`, 'Use [Interface] and [Peer].')
    else addLine(current, plain, line, current === head ? interfaceKeys : peerKeys)
  })
  if (head === undefined) throw wrong(1, 'there is no [Interface]', 'Begin the file with [Interface].')
  return { head, peers }
}

function addLine(section: Section | undefined, plain: string, line: number, known: readonly string[]): void {
  const [key, ...rest] = plain.split('=')
  const name = key?.trim().toLowerCase() ?? ''
  const value = rest.join('=').trim()
  if (section === undefined) throw wrong(line, 'a line before any section', 'Begin the file with [Interface].')
  if (!known.includes(name))
    throw wrong(line, `an unknown key ${JSON.stringify(name.slice(0, 40))}`, `Keys here: ${known.join(', ')}.`)
  if (value === '' && name !== 'allowedips') throw wrong(line, `${name} has no value`, 'Give it a value or remove the line.')
  const values = section.get(name) ?? []
  if (values.length > 0 && !lists.has(name)) throw wrong(line, `${name} stands twice`, 'Keep one of the two lines.')
  section.set(name, [...values, { value, line }])
}

function peerOf(section: Section): Peer {
  const publicKey = one(section, 'publickey')
  const [first] = [...section.values()].flat()
  if (publicKey === undefined) throw wrong(first?.line ?? 1, 'a [Peer] without PublicKey', 'Add the line PublicKey = ….')
  const presharedKey = one(section, 'presharedkey')
  const endpoint = one(section, 'endpoint')
  const keepalive = one(section, 'persistentkeepalive')
  const seconds = keepalive?.value.toLowerCase() === 'off' ? undefined : numberOf(section, 'persistentkeepalive', 0, 65535)
  return {
    publicKey: at(publicKey, parsePublicKey),
    allowedIps: items(section, 'allowedips').map((item) => at(item, parseCidr)),
    ...(presharedKey !== undefined && { presharedKey: at(presharedKey, parsePresharedKey) }),
    ...(endpoint !== undefined && { endpoint: at(endpoint, parseEndpoint) }),
    ...(seconds !== undefined && seconds > 0 && { persistentKeepaliveSeconds: seconds }),
  }
}

interface Item {
  value: string
  line: number
}

function all(section: Section, key: string): readonly Item[] {
  return section.get(key) ?? []
}

function one(section: Section, key: string): Item | undefined {
  return section.get(key)?.[0]
}

function items(section: Section, key: string): Item[] {
  return all(section, key).flatMap(({ value, line }) =>
    value
      .split(',')
      .map((part) => ({ value: part.trim(), line }))
      .filter((item) => item.value !== ''),
  )
}

function texts(list: readonly Item[]): string[] {
  return list.map((item) => item.value)
}

function numberOf(section: Section, key: string, from: number, to: number): number | undefined {
  const item = one(section, key)
  if (item === undefined) return undefined
  const value = /^\d{1,5}$/.test(item.value) ? Number(item.value) : Number.NaN
  if (!(value >= from && value <= to))
    throw wrong(item.line, `${key} is not a number from ${from} to ${to}`, 'Correct the number.')
  return value
}

/** `off`, a number, or `0x…`: as wg(8) takes it. */
function fwmarkOf(section: Section): number | undefined {
  const item = one(section, 'fwmark')
  if (item === undefined) return undefined
  if (item.value.toLowerCase() === 'off') return 0
  const value = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(item.value) ? Number(item.value) : Number.NaN
  if (!(value <= 0xffffffff)) throw wrong(item.line, 'fwmark is no 32-bit number', 'Write off, a number, or 0x and hex digits.')
  return value
}

function dnsOf(text: string): string {
  if (!/^[0-9A-Za-z.:_-]{1,253}$/.test(text))
    throw new WireGuardError('bad-config', 'DNS is no address or search domain', 'Write addresses or domains.')
  return text
}

function tableOf(text: string): string {
  if (!/^(auto|off|\d{1,10})$/.test(text))
    throw new WireGuardError('bad-config', 'Table is not auto, off or a number', 'Correct it.')
  return text
}

function booleanOf(text: string): boolean {
  if (!/^(true|false)$/.test(text)) throw new WireGuardError('bad-config', 'SaveConfig is not true or false', 'Correct it.')
  return text === 'true'
}

/** Gives an error of a parser the line it came from. */
function at<T>(item: Item, parse: (text: string) => T): T {
  try {
    return parse(item.value)
  } catch (error) {
    if (error instanceof WireGuardError)
      throw new WireGuardError(error.code, error.message, error.hint, { line: item.line, cause: error })
    throw error
  }
}

function oneLine(line: string): string {
  if (/[\r\n\0]/.test(line))
    throw new WireGuardError('bad-config', 'a value holds a line break', 'Remove it: it would begin another setting.')
  return line
}

function wrong(line: number, message: string, hint: string): WireGuardError {
  return new WireGuardError('bad-config', message, hint, { line })
}
