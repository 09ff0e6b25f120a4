import {
  answerFileSchema,
  changesSchema,
  checksSchema,
  entrySchema,
  networkSchema,
  sectionNames,
  setupLogSchema,
  wizardSchema,
} from '@freehold/appliance/api/schemas/setup-wizard'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import type { TaskView } from '@freehold/appliance/api/schemas/tasks'
import { configSchema } from '@freehold/appliance/config/schema'
import { setupSteps } from '@freehold/appliance/setup/setup'
import { changesOf } from '@freehold/appliance/setup/wizard/review'
import { sections } from '@freehold/appliance/setup/wizard/sections'
import type { z } from 'zod'
import type { FaultFront, PlayedFault } from '../stands/fault-front.ts'

type SectionName = (typeof sectionNames)[number]
type View = z.output<typeof wizardSchema>

/** Each page is shown in each of these states, by the list of pages that the host itself keeps. */
export const states = ['empty', 'filled', 'hanging', 'error', 'crash'] as const
export type State = (typeof states)[number]

/** A page of the wizard in one state, as a host could show it. */
export interface Scene {
  name: string
  page: string
  state: State
  path: string
  /** What the host answers meanwhile; every answer is one that its own schema accepts. */
  play: readonly (readonly [prefix: string, fault: PlayedFault])[]
  /** Presses the one button of the page, for errors that answer an act. */
  press?: RegExp
  /** Text that stands there once the scene is whole; else whatever is loading is still loading. */
  shows: RegExp | null
}

const owner = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const treasury = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'
const cards = [
  {
    device: 'enp3s0',
    mac: '52:54:00:12:34:56',
    addresses: ['192.0.2.17/24', '2001:db8:2:1:5054:ff:fe12:3456/64'],
    gateway: '192.0.2.1',
    up: true,
  },
  { device: 'enp4s0', mac: '52:54:00:12:34:57', addresses: [], gateway: null, up: false },
]

/** Answers as long as they may get: layouts are tried by them. */
export const answers: Record<SectionName, Record<string, unknown>> = {
  uplink: {
    uplink: {
      mac: cards[0]?.mac,
      ipv4: { address: '192.0.2.200', prefixLength: 24, gateway: '192.0.2.1' },
      dns: ['192.0.2.53', '2001:db8::53'],
    },
  },
  address: { origin: 'https://machines.of-a-rather-long-name.example' },
  tls: {
    tls: {
      kind: 'acme',
      directory: 'https://acme-v02.api.letsencrypt.org/directory',
      termsAgreed: true,
      email: 'operator@example.org',
    },
  },
  chain: {
    chain: {
      chainId: 424_242,
      name: 'A network of our own',
      rpcUrls: ['https://rpc.example/v1/one-node', 'https://rpc.example.org/another-node'],
      confirmations: 12,
      lowBalanceWei: '50000000000000000',
    },
    publicChain: true,
  },
  existing: { contracts: [{ address: '0x5FbDB2315678afecb367f032d93F642f64180aa3', fromBlock: 19_123_456 }] },
  people: { roles: { owner, treasury }, deployment: 'wallet' },
  hypervisor: {
    hypervisor: {
      kind: 'proxmox',
      nodes: [{ url: 'https://192.0.2.40:8006', name: 'pve1', fingerprint: 'AB:'.repeat(31) + 'CD' }],
      tokenFile: 'secrets/proxmox-token',
      diskStorage: 'local-lvm',
      bridge: 'vmbr0',
    },
  },
  network: {
    network: {
      ipv4: { gateway: '10.77.0.1', prefixLength: 16 },
      ipv6: { prefix: '2001:db8:1234:5600::', prefixLength: 64, onLink: true },
      open: [],
    },
  },
  template: { template: { image: '/srv/images/debian-13-freehold.qcow2', sha256: '0123456789abcdef'.repeat(4) } },
  plans: {
    plans: [
      {
        name: 'Small',
        vcpus: 1,
        memoryMiB: 1024,
        diskGiB: 10,
        graceDays: 7,
        capacity: 12,
        prices: { native: '1500000000000000' },
      },
      {
        name: 'Extraordinarily large machine 64',
        vcpus: 64,
        memoryMiB: 262_144,
        diskGiB: 4000,
        graceDays: 14,
        capacity: 1,
        prices: { native: '123456789012345678' },
      },
    ],
  },
  backup: { backup: { folder: '/mnt/backup/of-a-rather-long-name', recipient: `age1${'q'.repeat(58)}` } },
}

/** Nothing is announced, and nothing has failed that could be gone on without. */
const plain = { nextCertificate: null, skippable: null }

function view(changes: Partial<View> = {}, answered: boolean | 'check-again' = true): PlayedFault {
  const all = sectionNames.map((name) => ({
    name,
    state: answered === true ? ('answered' as const) : answered === false ? ('open' as const) : ('check-again' as const),
    revision: answered === false ? 0 : 1,
    value: answered === false ? null : answers[name],
  }))
  const whole = {
    version: '0.1.0',
    sections: all,
    next: 'review',
    browsers: 1,
    task: null,
    wallet: null,
    ...plain,
    ...changes,
  }
  return { answer: wizardSchema.parse(whole) }
}

/** A setup that stands at this step. */
function task(at: string, state: 'running' | 'failed', phase: string | null = null): TaskView {
  const index = setupSteps.findIndex((step) => step.name === at)
  const now = Math.floor(Date.now() / 1000)
  return {
    taskId: 'played',
    kind: 'setup',
    subject: 'host',
    state,
    steps: setupSteps.map(({ name }, i) => ({
      name,
      state: i < index ? 'done' : i > index ? 'waiting' : state,
      startedAt: i <= index ? now - 90 : null,
      endedAt: i < index ? now - 60 : null,
      phase: i === index ? phase : null,
    })),
    error:
      state === 'failed'
        ? {
            code: 'wrong-chain',
            title: 'The node serves another network',
            detail: 'rpc.example serves network 1, the answers say 424242.',
            hint: 'Use a node of that network, or change the answers.',
          }
        : null,
    attempt: 2,
    createdAt: now - 200,
    endedAt: state === 'failed' ? now : null,
  }
}

/** A setup that was taken back. */
function undone(): TaskView {
  const failed = task('start', 'failed')
  return { ...failed, state: 'undone', steps: failed.steps.map((step) => ({ ...step, state: 'undone' as const })) }
}

/** A host that sells. */
function status(): PlayedFault {
  return {
    answer: statusSchema.parse({
      version: '0.1.0',
      mode: 'installed',
      origin: 'https://machines.of-a-rather-long-name.example',
      now: Math.floor(Date.now() / 1000),
      storefront: 'open',
      closedBecause: null,
      chain: { chainId: 424_242, name: 'A network of our own', rpcUrl: '', confirmations: 12, latest: null, stale: false },
      contracts: [],
      hypervisor: null,
      notices: [],
    }),
  }
}

const log: PlayedFault = {
  answer: setupLogSchema.parse({
    lines: ['programs, room and ports are there', `network 424242 answers; provisioner ${owner}`, `contract ${treasury}`].map(
      (line, i) => ({ seq: i + 1, at: 1_795_270_000 + i, line }),
    ),
  }),
}

function checks(name: SectionName, state: 'passed' | 'failed'): PlayedFault {
  const list = sections.find((section) => section.name === name)?.checks ?? []
  return {
    answer: checksSchema.parse({
      checks: list.map((check) => ({
        name: check.name,
        pointer: check.pointer,
        state,
        values: {},
        detail: state === 'failed' ? 'Nothing that speaks JSON-RPC answers at rpc.a-very-long-name-of-a-node.example.' : null,
        hint: state === 'failed' ? 'Check the address, and that this host may reach it.' : null,
        code: state === 'failed' ? 'rpc-unreachable' : null,
      })),
    }),
  }
}

const entered = ['/v1/setup/entry', { answer: entrySchema.parse({ entered: true, left: 5 }) }] as const
const notEntered = ['/v1/setup/entry', { answer: entrySchema.parse({ entered: false, left: 3 }) }] as const
const network = ['/v1/setup/network', { answer: networkSchema.parse({ cards, trial: null, failed: null }) }] as const
const file = ['/v1/setup/answer-file', { answer: answerFileSchema.parse({ text: '', leftOut: [] }) }] as const
const changes = (): PlayedFault => {
  const whole = configSchema.parse({ version: 1, mode: 'installed', ...(Object.assign({}, ...Object.values(answers)) as object) })
  const facts = {
    deploymentWei: 3_210_000_000_000_000n,
    provisioner: owner,
    deployer: treasury,
    stateFolder: '/var/lib/freehold',
  }
  return { answer: changesSchema.parse({ changes: changesOf(whole, facts), estimateSeconds: 354 }) }
}

function sectionScenes(name: SectionName): Scene[] {
  const path = `/setup?page=${name}`
  const check = `/v1/setup/checks/${name}`
  const base = { page: name, path }
  const here = [entered, network] as const
  const first = sections.find((section) => section.name === name)?.checks[0]?.pointer ?? ''
  return [
    {
      ...base,
      name: `${name} empty`,
      state: 'empty',
      play: [...here, ['/v1/setup/wizard', view({ next: name }, false)]],
      shows: /Save and go on/,
    },
    {
      ...base,
      name: `${name} filled`,
      state: 'filled',
      play: [...here, ['/v1/setup/wizard', view({}, 'check-again')], [check, checks(name, 'passed')]],
      shows: /An earlier answer has changed/,
    },
    { ...base, name: `${name} hanging`, state: 'hanging', play: [...here, ['/v1/setup/wizard', 'hang']], shows: null },
    {
      ...base,
      name: `${name} error`,
      state: 'error',
      play: [
        ...here,
        ['/v1/setup/wizard', view()],
        [check, checks(name, 'failed')],
        [`/v1/setup/answers/${name}`, { refused: first }],
      ],
      press: /Save and go on/,
      shows: /bad-input/,
    },
    { ...base, name: `${name} crash`, state: 'crash', play: [...here, ['/v1/setup/wizard', 'crash']], shows: /unreadable/ },
  ]
}

/** All scenes: of every page that any installation asks, of the code, the review, the run and the end. */
export function setupScenes(): Scene[] {
  const code = { page: 'code', path: '/setup' } as const
  const review = { page: 'review', path: '/setup?page=review' } as const
  const run = { page: 'run', path: '/setup?page=run' } as const
  const waiting = (name: string, phase: string | null, more: Partial<View> = {}): Scene => ({
    ...run,
    name,
    state: 'filled',
    play: [
      entered,
      [
        '/v1/setup/wizard',
        view({ next: 'run', task: task(more.wallet === undefined ? 'chain' : 'contracts', 'running', phase), ...more }),
      ],
      ['/v1/setup/log', log],
    ],
    shows: /contract 0x/,
  })
  return [
    { ...code, name: 'code empty', state: 'empty', play: [], shows: /Is this really your machine/ },
    { ...code, name: 'code filled', state: 'filled', play: [notEntered], shows: /3 wrong tries are left/ },
    { ...code, name: 'code hanging', state: 'hanging', play: [['/v1/setup/entry', 'hang']], shows: null },
    {
      ...code,
      name: 'code error',
      state: 'error',
      play: [['/v1/setup/entry', { code: 'too-many-requests' }]],
      shows: /too-many-requests/,
    },
    { ...code, name: 'code crash', state: 'crash', play: [['/v1/setup/entry', 'crash']], shows: /unreadable/ },
    ...sectionNames.flatMap(sectionScenes),
    {
      ...review,
      name: 'review empty',
      state: 'empty',
      play: [
        entered,
        ['/v1/setup/wizard', view({ next: 'address' }, false)],
        ['/v1/setup/review', { code: 'not-in-this-state' }],
      ],
      shows: /not-in-this-state/,
    },
    {
      ...review,
      name: 'review filled',
      state: 'filled',
      play: [entered, ['/v1/setup/wizard', view()], ['/v1/setup/review', changes()], file],
      shows: /What will be changed/,
    },
    {
      ...review,
      name: 'review hanging',
      state: 'hanging',
      play: [entered, ['/v1/setup/wizard', view()], ['/v1/setup/review', 'hang']],
      shows: null,
    },
    {
      ...review,
      name: 'review error',
      state: 'error',
      play: [
        entered,
        ['/v1/setup/wizard', view()],
        ['/v1/setup/review', changes()],
        ['/v1/setup/run', { code: 'not-in-this-state' }],
      ],
      press: /Confirm and set up/,
      shows: /not-in-this-state/,
    },
    {
      ...review,
      name: 'review crash',
      state: 'crash',
      play: [entered, ['/v1/setup/wizard', view()], ['/v1/setup/review', 'crash']],
      shows: /unreadable/,
    },
    {
      ...run,
      name: 'run empty',
      state: 'empty',
      play: [entered, network, ['/v1/setup/wizard', view({ next: 'address' }, false)]],
      shows: /Save and go on/,
    },
    waiting('run waiting for funds', `waiting for 0.05 at ${owner}, 0.0 so far`),
    waiting('run waiting for the wallet', 'waiting for the operator’s wallet to sign the deployment', {
      wallet: { chainId: 424_242, to: treasury, data: '0x60' },
    }),
    {
      ...run,
      name: 'run error',
      state: 'error',
      play: [entered, ['/v1/setup/wizard', view({ task: task('chain', 'failed') })], ['/v1/setup/log', log]],
      shows: /wrong-chain/,
    },
    {
      ...run,
      name: 'run error that may be skipped',
      state: 'error',
      play: [entered, ['/v1/setup/wizard', view({ task: task('tls', 'failed'), skippable: 'tls' })], ['/v1/setup/log', log]],
      press: /Take back what was done/,
      shows: /Take back what setup did/,
    },
    {
      ...run,
      name: 'run undone',
      state: 'filled',
      play: [entered, ['/v1/setup/wizard', view({ task: undone() })], ['/v1/setup/log', log]],
      shows: /What setup did is taken back/,
    },
    {
      ...run,
      name: 'run done',
      state: 'filled',
      play: [
        ['/v1/setup/entry', { code: 'not-found' }],
        ['/v1/status', status()],
        ['/authority/root.pem', { answer: '-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----' }],
      ],
      shows: /Debian, Ubuntu/,
    },
    {
      ...run,
      name: 'run hanging',
      state: 'hanging',
      play: [entered, ['/v1/setup/wizard', 'hang']],
      shows: null,
    },
    {
      ...run,
      name: 'run crash',
      state: 'crash',
      play: [
        entered,
        ['/v1/setup/wizard', view({ next: 'run', task: task('template', 'running', 'importing 40 %') })],
        ['/v1/setup/log', 'crash'],
      ],
      shows: /importing 40 %/,
    },
  ]
}

/** Lets the host answer as the scene says, and nothing else. */
export function arrange(front: FaultFront, scene: Scene): void {
  front.clear()
  for (const [prefix, fault] of scene.play) front.play(prefix, fault)
}
