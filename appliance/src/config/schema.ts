import { z } from 'zod'

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'an address is 0x and 40 hex digits')
const amount = z.string().regex(/^[0-9]{1,30}$/, 'an amount is a whole number of the smallest unit, as text')
const seconds = z.number().int().positive()
const day = 86_400
const cidr = z.string().regex(/^[0-9a-f.:]+\/[0-9]{1,3}$/, 'a range is an address and a prefix length')
/** Stands in an exported answer file where a secret was. */
export const leftOut = 'LEFT-OUT'

/** A plan of the answer file; becomes one plan of the contract. Amounts in the token's smallest unit per day. */
export const planAnswer = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9 ._-]{1,32}$/),
  kind: z.enum(['vm', 'wasm']).default('vm'),
  /** Of a VM; a plan of kind wasm leaves them out. */
  vcpus: z.number().int().min(0).max(256).default(0),
  memoryMiB: z.number().int().min(0).default(0),
  diskGiB: z.number().int().min(0).default(0),
  /** Of kind wasm: gas that each subscription may spend from midnight to midnight UTC. */
  gasPerDay: z
    .string()
    .regex(/^[0-9]{1,18}$/, 'gas is a whole number of at most 18 digits, as text')
    .default('0'),
  graceDays: z.number().min(1),
  activationDeadlineSeconds: seconds.default(3600),
  minSeconds: seconds.default(day),
  maxSeconds: seconds.default(90 * day),
  capacity: z.number().int().min(0),
  prices: z.record(z.union([z.literal('native'), z.literal('dev-token'), address]), amount),
})

/** One chain: where to ask, how settled a block must be. */
export const chainAnswer = z.strictObject({
  chainId: z.number().int().positive(),
  name: z.string().min(1).max(40).default('Local network'),
  /** The first is asked; with two, taking needs both to agree. */
  rpcUrls: z
    .array(
      z
        .url({ protocol: /^(https?|wss?)$/ })
        .refine((url) => !url.includes(leftOut), `a secret was left out of this file: write it where ${leftOut} stands`),
    )
    .min(1)
    .max(4),
  confirmations: z.number().int().min(1).default(12),
  /** Caps of the provisioner in wei. */
  maxFeePerTransactionWei: amount.default('20000000000000000'),
  maxFeePerDayWei: amount.default('200000000000000000'),
  lowBalanceWei: amount.default('50000000000000000'),
})

/** The contracts served; the first sells, older ones run out. Empty until the step `contracts` has run. */
export const contractAnswer = z.strictObject({ address, fromBlock: z.number().int().min(0).default(0) })

/** Who is paid and who governs. */
export const rolesAnswer = z.strictObject({ owner: address, treasury: address })

export const hypervisorAnswer = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('fake'),
    storages: z.array(z.string()).default(['local']),
    createSeconds: z.number().min(0).default(1),
  }),
  z.strictObject({
    kind: z.literal('libvirt'),
    /** Disks, templates, sockets. Default: below the state folder. */
    folder: z.string().optional(),
    acceleration: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
    /** Loopback ports of embedded mode. */
    sshPorts: z
      .strictObject({ from: z.number().int().min(1024), to: z.number().int().max(65535) })
      .default({ from: 20000, to: 29999 }),
  }),
  z.strictObject({
    kind: z.literal('proxmox'),
    /** Addresses of the nodes, each with the name in its certificate: `https://192.0.2.1:8006`. */
    nodes: z.array(z.strictObject({ url: z.string(), name: z.string(), fingerprint: z.string().optional() })).min(1),
    /** File with the cluster's authority in PEM; for nodes without a fingerprint. */
    authorityFile: z.string().optional(),
    /** Token as user@realm!name, and the file of mode 0600 with its secret. `freehold proxmox enrol` writes it. */
    token: z.string().default('freehold@pve!appliance'),
    tokenFile: z.string(),
    pool: z.string().default('freehold'),
    diskStorage: z.string(),
    mediaStorage: z.string().default('freehold-media'),
    /** Bridge of the guests, on every node. */
    bridge: z.string().default('vmbr0'),
    /** Ids of our VMs; enrolment keeps other tools out of them. */
    vmids: z
      .strictObject({ from: z.number().int().min(101), to: z.number().int().max(999_999_999) })
      .default({ from: 10_000, to: 10_999 }),
    /** Where guests reach this host, `address:port`, where that is not the address it listens at. */
    guestsReachHostAt: z.string().optional(),
    /** MAC of this host's card on that bridge: the host is gateway, DNS and the way in there. Installed mode. */
    guestCard: z
      .string()
      .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'a MAC is six pairs of hex digits, such as 52:54:00:12:34:56')
      .optional(),
    /** Networks that guests have addresses of. */
    guestNetworks: z.array(z.string()).default(['10.77.0.0/16']),
    /** For the step of setup that enrols; without it the token must be there already. */
    enrolment: z
      .strictObject({
        /** Mode 0600, `user@realm!name=secret` of a token that may do everything; read once, then removed. */
        privilegedTokenFile: z.string(),
        /** Where the operator reaches the nodes from: kept open when the datacenter firewall goes on. */
        operatorNetworks: z.array(cidr).min(1),
        /** Folder on the nodes for seeds and images, where there is no such storage yet. */
        mediaFolder: z.string().startsWith('/').default('/var/lib/freehold-media'),
      })
      .optional(),
  }),
])

/** Public IPv6 by brokers: which ones, and on what terms. */
export const brokerAnswer = z.strictObject({
  /** Contract with the list of brokers, on the chain of this host. */
  registry: address.nullable().default(null),
  /** Brokers named here, with or without a registry. */
  known: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9-]{1,32}$/, 'a name is a-z, 0-9 and dash'),
        url: z.url({ protocol: /^https$/ }),
        /** Signs its answers. */
        agent: address,
        /** What it may lease. */
        pool: cidr,
      }),
    )
    .max(8)
    .default([]),
  /** How many at once: with two, VMs stay reachable when one dies. */
  count: z.number().int().min(1).max(3).default(1),
  maxPricePerDayWei: amount.default('0'),
  minTermSeconds: z.number().int().min(0).default(day),
  /** Empty: any. */
  regions: z
    .array(z.string().regex(/^[a-z0-9-]{1,32}$/))
    .max(20)
    .default([]),
  /** Those that go first, in this order: `file:NAME`, or chain, registry and number as `freehold network` shows them. */
  pinned: z.array(z.string().max(120)).max(8).default([]),
  prefixLength: z.union([z.literal(56), z.literal(64)]).default(64),
  /** How those of the registry are asked: signed HTTPS costs nothing, the chain needs no page of the broker. */
  path: z.enum(['http', 'chain']).default('http'),
})

/** The guests' nets on an installed host with libvirt; the root helper holds bridge, taps and rules. */
export const networkAnswer = z.strictObject({
  /** The host's own address in it: gateway, name server, login endpoint. */
  ipv4: z
    .strictObject({ gateway: z.ipv4().default('10.77.0.1'), prefixLength: z.number().int().min(8).max(29).default(16) })
    .prefault({}),
  /** A prefix that is routed here, or (`onLink`) that of the uplink itself. */
  ipv6: z
    .strictObject({
      prefix: z.ipv6(),
      prefixLength: z.number().int().min(32).max(124),
      onLink: z.boolean().default(false),
    })
    .nullable()
    .default(null),
  /** Prefixes from brokers, in place of one of our own. */
  broker: brokerAnswer.nullable().default(null),
  /** Private ranges that guests may reach nevertheless. */
  open: z.array(cidr).max(100).default([]),
})

/** How the machine itself is reached on an installed host. Its card is named by its MAC, which no reboot changes. */
export const uplinkAnswer = z.strictObject({
  mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'a MAC is six pairs of hex digits, such as 52:54:00:12:34:56'),
  ipv4: z.union([
    z.literal('dhcp'),
    z.strictObject({ address: z.ipv4(), prefixLength: z.number().int().min(8).max(31), gateway: z.ipv4() }),
  ]),
  dns: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .max(3)
    .default([]),
})

/** Which certificate the public address shows. What came before stays until the next one is there. */
export const tlsAnswer = z.discriminatedUnion('kind', [
  /** The one of the first boot: nobody vouches for it, people compare its fingerprint. */
  z.strictObject({ kind: z.literal('first-boot') }),
  /** An authority of this host alone, whose root people install once. */
  z.strictObject({ kind: z.literal('own-ca') }),
  /** RFC 8555. */
  z.strictObject({
    kind: z.literal('acme'),
    /** Over port 80 of the name, or by a broker of public IPv6 that serves the zone of the name (`network.broker`). */
    proof: z.enum(['http', 'broker']).default('http'),
    directory: z.url({ protocol: /^https$/ }).default('https://acme-v02.api.letsencrypt.org/directory'),
    /** The operator has read and accepts the terms that the directory names. */
    termsAgreed: z.literal(true, { error: 'the terms of the certificate authority must be accepted: termsAgreed: true' }),
    email: z.email().optional(),
    /** PEM file with the authority of the directory's own certificate, where this machine does not know it. */
    authorityFile: z.string().startsWith('/').optional(),
  }),
])

/** Sealed backups of configuration, secrets, database and certificates; never of disks. None are made while nobody is named who can open them. */
export const backupAnswer = z.strictObject({
  /** A drive or share that is mounted. Default: `backups` below the state folder, which does not outlive this machine. */
  folder: z.string().startsWith('/', 'a folder is an absolute path').max(300).optional(),
  /** Public half of the operator's recovery key, by `freehold backup key`; the other half opens the backups and is kept elsewhere. */
  recipient: z
    .string()
    .regex(/^age1[02-9ac-hj-np-z]{58}$/, 'a recipient begins with age1; freehold backup key makes one')
    .optional(),
  /** In its place: file of mode 0600 with a passphrase. */
  passphraseFile: z.string().startsWith('/', 'a file is an absolute path').max(300).optional(),
  /** Five fields of cron, in UTC. A change of secrets or configuration makes one besides. */
  schedule: z.string().max(100).default('17 3 * * *'),
  /** How many stay; the oldest go. */
  keep: z.number().int().min(1).max(365).default(14),
  /** Age of the newest good one above which an issue is raised. */
  maxAgeHours: z.number().int().min(1).max(8760).default(72),
  /** Program and arguments that bring a backup elsewhere, `{file}` for its path; run after each one by the daemon's user, without a shell. */
  copy: z.array(z.string().max(500)).min(1).max(30).optional(),
})

/** What a host that comes back is filled from before it is set up: `freehold apply` reads it, the daemon never does. */
export const restoreAnswer = z.strictObject({
  file: z.string().startsWith('/', 'a file is an absolute path').max(300),
  /** File with the recovery key or passphrase. */
  keyFile: z.string().startsWith('/', 'a file is an absolute path').max(300),
})

/** The whole of freehold.yaml, which is also the answer file. Unknown fields are refused. */
export const configSchema = z.strictObject({
  version: z.literal(1, {
    error: ({ input }) =>
      typeof input === 'number' && input > 1
        ? `this file is of version ${input}, and this Freehold reads version 1: update Freehold, or export the file anew`
        : 'the version is the number 1',
  }),
  mode: z.enum(['embedded', 'installed']),
  /** The one public origin: texts are signed for it, other names are refused. */
  origin: z.url({ protocol: /^https?$/ }),
  /** Embedded mode keeps to chain id 31337 unless this says otherwise. */
  publicChain: z.boolean().default(false),
  listen: z
    .strictObject({
      /** Unix sockets of freeholdd and web below the state folder; Caddy in front of both. */
      api: z.string().default('run/api.sock'),
      web: z.string().default('run/web.sock'),
      /** The guests' login endpoint. */
      login: z
        .string()
        .regex(/^[0-9a-f.:[\]]+:[0-9]{1,5}$/)
        .default('127.0.0.1:7443'),
      metrics: z
        .string()
        .regex(/^127\.0\.0\.1:[0-9]{1,5}$/)
        .optional(),
    })
    .prefault({}),
  chain: chainAnswer,
  contracts: z.array(contractAnswer).default([]),
  roles: rolesAnswer,
  /** Who signs the deployment: a key of this host without any role, or the operator's wallet in the browser. */
  deployment: z.enum(['key', 'wallet']).default('key'),
  plans: z.array(planAnswer).min(1),
  hypervisor: hypervisorAnswer,
  /** null: the machine's own network stays as it is. */
  uplink: uplinkAnswer.nullable().default(null),
  network: networkAnswer.prefault({}),
  tls: tlsAnswer.default({ kind: 'first-boot' }),
  template: z
    .strictObject({
      image: z.string().optional(),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
    })
    .prefault({}),
  taking: z
    .strictObject({
      /** How long our own clock must have seen a finalized block past the grace before `end` is sent. */
      waitSeconds: z.number().int().min(0).default(day),
      /** Destroys in 24 h above max(3, 2 %) wait for the operator. */
      destroysPerDayMinimum: z.number().int().min(1).default(3),
    })
    .prefault({}),
  /** WASM hosting by freehold-wasmd, which has a configuration file of its own. */
  wasm: z
    .strictObject({
      enabled: z.boolean().default(false),
      /** The daemon's door to it, a unix socket. Default: systemd's on an installed host, below the state folder when embedded. */
      hostSocket: z.string().optional(),
      /** Where callers reach it. Default: the name `wasm.` before the origin's. */
      url: z.url({ protocol: /^https?$/ }).optional(),
    })
    .prefault({}),
  backup: backupAnswer.prefault({}),
  restore: restoreAnswer.optional(),
})

/** The configuration after validation, with all defaults filled in. */
export type Config = z.output<typeof configSchema>
/** The configuration as a person may write it. */
export type ConfigInput = z.input<typeof configSchema>
export type UplinkAnswer = z.output<typeof uplinkAnswer>
export type TlsAnswer = z.output<typeof tlsAnswer>
export type BrokerAnswer = z.output<typeof brokerAnswer>
export type BackupAnswer = z.output<typeof backupAnswer>
export type PlanAnswer = z.output<typeof planAnswer>
