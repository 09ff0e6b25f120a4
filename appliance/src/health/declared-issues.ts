import type { Plan } from '../chain/subscription.ts'
import { brokerIssueTexts } from '../network/broker/issues.ts'
import { needOf, isNearlyFull } from '../vms/room.ts'
import type { HealthFacts } from './facts.ts'
import { defineIssue, type Finding, type IssueDeclaration, type Severity } from './issue.ts'

type Declaration = IssueDeclaration<HealthFacts>
const minute = 60

/** An issue that the loop of the VMs finds; here are its words. */
function fromVms(
  code: string,
  severity: Severity,
  words: { title: string; effect: string; remedy: string },
  visibleAfterSeconds = 0,
): Declaration {
  return defineIssue<HealthFacts>({
    code,
    severity,
    ...words,
    visibleAfterSeconds,
    hiddenBy: code === 'hypervisor-down' || code === 'chain-unreachable' ? [] : ['hypervisor-down'],
    check: ({ vms }) => vms.filter((i) => i.code === code),
  })
}

const chainUnreachable = defineIssue<HealthFacts>({
  code: 'chain-unreachable',
  severity: 'high',
  title: 'The network cannot be reached',
  effect: 'Nothing is sold, nobody new gets in, and nothing is taken away meanwhile. VMs keep running.',
  remedy: 'Check the RPC address in the configuration and that the node is up.',
  visibleAfterSeconds: 30,
  hiddenBy: [],
  check({ chains, vms }) {
    // what the loop met says more: another chain, no contract, nodes that contradict each other
    const met = vms.filter((i) => i.code === 'chain-unreachable')
    const silent = chains.filter((c) => c.heads === undefined && !met.some((i) => i.subject === c.installation))
    return [...met, ...silent.map((c) => at(c.installation, `${c.name} does not answer.`))]
  },
})

const rpcStale = defineIssue<HealthFacts>({
  code: 'rpc-stale',
  severity: 'high',
  title: 'The newest block is too old',
  effect:
    'Nobody new gets in until the node has caught up, unless two nodes agree that the chain itself stands still. Nothing is taken away.',
  remedy: 'Look at the node behind the RPC address, or add a second one.',
  visibleAfterSeconds: 0,
  hiddenBy: ['chain-unreachable'],
  check: ({ chains, now }) =>
    chains.flatMap((c) =>
      c.heads?.stale === true
        ? [
            at(
              c.installation,
              `The newest block of ${c.name} is ${Math.max(0, Math.floor((now - c.heads.latestTime) / minute))} minutes old.`,
            ),
          ]
        : [],
    ),
})

const singleRpc = defineIssue<HealthFacts>({
  code: 'single-rpc',
  severity: 'low',
  title: 'Only one node is asked about the network',
  effect: 'If it lies or falls behind, this host has no second opinion before it takes something away.',
  remedy: 'Add a second RPC address of another operator to the configuration.',
  visibleAfterSeconds: 5 * minute,
  hiddenBy: ['chain-unreachable'],
  check: ({ chains }) =>
    chains.filter((c) => c.heads !== undefined && c.heads.agreeing < 2).map((c) => at(c.installation, `${c.name}: one node.`)),
})

const balanceLow = defineIssue<HealthFacts>({
  code: 'provisioner-balance-low',
  severity: 'high',
  title: 'The key of this host is low on funds',
  effect: 'Soon no VM can be activated, and purchases will be refunded.',
  remedy: 'Send funds for network fees to its address.',
  visibleAfterSeconds: 0,
  hiddenBy: ['chain-unreachable'],
  check: ({ chains }) =>
    chains
      .filter((c) => c.balance !== undefined && c.balance < c.lowBalance)
      .map((c) => at(c.installation, `${c.provisioner} has ${ether(c.balance ?? 0n)} of its coin left on ${c.name}.`)),
})

const hypervisorDown = defineIssue<HealthFacts>({
  code: 'hypervisor-down',
  severity: 'high',
  title: 'The hypervisor does not answer',
  effect: 'No VM can be made, started or stopped. What runs keeps running; nothing is taken for absent.',
  remedy: 'Look at the service of the hypervisor and at the storage of the VMs.',
  visibleAfterSeconds: 15,
  hiddenBy: [],
  check: ({ hypervisor }) => (hypervisor.up ? [] : [at('host', hypervisor.detail)]),
})

const diskNearlyFull = defineIssue<HealthFacts>({
  code: 'disk-nearly-full',
  severity: 'high',
  title: 'The storage of the VMs is nearly full',
  effect: 'No VM is made and no snapshot is taken below 10 % free space.',
  remedy: 'Free space on it, or make it larger.',
  visibleAfterSeconds: 0,
  hiddenBy: ['hypervisor-down'],
  check({ hypervisor }) {
    if (!hypervisor.up || !isNearlyFull(hypervisor.capacity)) return []
    const { diskFreeBytes, diskTotalBytes } = hypervisor.capacity
    return [
      at('host', `${Math.floor((100 * diskFreeBytes) / Math.max(1, diskTotalBytes))} % of ${gib(diskTotalBytes)} GiB are free.`),
    ]
  },
})

const mirrorDegraded = defineIssue<HealthFacts>({
  code: 'mirror-degraded',
  severity: 'high',
  title: 'A mirror of this machine has lost a disk',
  effect: 'VMs and host run on. If the disk that is left fails too, what is on it is lost.',
  remedy: 'Put in a new disk, and have the mirror take it: mdadm --manage /dev/… --add /dev/…, as root.',
  visibleAfterSeconds: minute,
  hiddenBy: [],
  check: ({ mirrors }) =>
    (mirrors ?? [])
      .filter(({ disks, working }) => working < disks)
      .map(({ name, disks, working, rebuilt }) =>
        at(
          name,
          `${name}: ${working} of ${disks} disks work. ${rebuilt === undefined ? 'No rebuild is under way.' : `It is being rebuilt, ${rebuilt} %.`}`,
        ),
      ),
})

const templateMissing = defineIssue<HealthFacts>({
  code: 'template-missing',
  severity: 'high',
  title: 'The VM template is missing',
  effect: 'No VM can be made or reinstalled.',
  remedy: 'Run the step "template" of setup again.',
  visibleAfterSeconds: 0,
  hiddenBy: ['hypervisor-down'],
  check({ hypervisor, template }) {
    if (!hypervisor.up) return []
    if (template === undefined) return [at('host', 'No template is configured.')]
    return hypervisor.templates.includes(template) ? [] : [at('host', `Template ${template.slice(0, 12)} is not in the store.`)]
  },
})

const noIsolation = defineIssue<HealthFacts>({
  code: 'no-isolation',
  severity: 'medium',
  title: 'VMs are not kept apart from each other and from this host',
  effect: 'This mode is for trying things out: a VM may reach what this host reaches.',
  remedy: 'Install Freehold on a machine of its own before strangers rent VMs.',
  visibleAfterSeconds: 0,
  hiddenBy: ['hypervisor-down'],
  check: ({ hypervisor }) =>
    hypervisor.up && !hypervisor.isolation ? [at('host', `Hypervisor ${hypervisor.name}, user networking.`)] : [],
})

/** The owner changes a plan's capacity, never the daemon: this proposes the number to sign. */
const planCapacity = defineIssue<HealthFacts>({
  code: 'plan-capacity',
  severity: 'medium',
  title: 'A plan offers more than this host can hold',
  effect: 'Purchases that do not fit wait, and are refunded if no room comes.',
  remedy: 'Sign the new capacity of the plan with the owner key, or add storage and memory.',
  visibleAfterSeconds: minute,
  hiddenBy: ['hypervisor-down'],
  check({ chains, hypervisor }) {
    if (!hypervisor.up) return []
    return roomOf(chains, hypervisor).flatMap(({ subject, plan, free, room }) =>
      free <= room
        ? []
        : [at(subject, `Plan ${plan.name} offers ${free} more, and ${room} fit. Set its capacity to ${plan.used + room}.`)],
    )
  },
})

/** The configuration names the nodes, so that a cluster that grew or shrank is told apart from one that was sold small. */
const clusterChanged = defineIssue<HealthFacts>({
  code: 'cluster-changed',
  severity: 'medium',
  title: 'The cluster has other nodes than the configuration',
  effect: 'What a new node could hold is not sold, or what a lost one held is still offered.',
  remedy:
    'Name the nodes in the configuration, run freehold proxmox enrol again so that the rights reach them, run freehold apply, which brings the template to nodes that lack it, and sign the capacities that are proposed with the owner key.',
  visibleAfterSeconds: minute,
  hiddenBy: ['hypervisor-down'],
  check({ chains, hypervisor }) {
    if (!hypervisor.up) return []
    const proposals = roomOf(chains, hypervisor)
      .filter(({ free, room }) => free !== room)
      .map(({ plan, room }) => ` Plan ${plan.name}: set its capacity to ${plan.used + room}.`)
    return (hypervisor.problems ?? [])
      .filter((p) => p.code === 'cluster-changed')
      .map((p) => at(p.subject, `${p.detail}${proposals.join('')}`))
  },
})

/** What a hypervisor asks a person for; here are its words. */
function fromHypervisor(
  code: 'vm-lock-stuck' | 'clone-left-over' | 'template-not-on-node',
  words: { title: string; effect: string; remedy: string },
) {
  return defineIssue<HealthFacts>({
    code,
    severity: 'medium',
    ...words,
    visibleAfterSeconds: 0,
    hiddenBy: ['hypervisor-down'],
    check: ({ hypervisor }) => (hypervisor.up ? (hypervisor.problems ?? []).filter((p) => p.code === code) : []),
  })
}

/** Every issue that this product can raise, in the order of the health page. */
export const declaredIssues: readonly Declaration[] = [
  hypervisorDown,
  chainUnreachable,
  rpcStale,
  balanceLow,
  fromVms('not-provisioner', 'high', {
    title: 'This host does not hold the provisioner key',
    effect: 'It changes nothing: it makes, starts, stops and destroys no VM.',
    remedy: 'Have the owner name the key of this host on the contract (setProvisioner), or stop this daemon.',
  }),
  fromVms(
    'vm-missing',
    'high',
    {
      title: 'A paid VM is missing',
      effect: 'Its holder cannot log in. It is never replaced by an empty one on its own.',
      remedy: 'Bring its storage back or restore it; or its holder signs a reinstall.',
    },
    30,
  ),
  fromVms(
    'purchase-waiting',
    'high',
    {
      title: 'A purchase is waiting for its VM',
      effect: 'It is tried again by itself; with a quarter of its time left the payment goes back.',
      remedy: 'See the detail: room, storage or the guest. The log of its task tells more.',
    },
    30,
  ),
  fromVms(
    'vm-work-failing',
    'high',
    {
      title: 'Work on a VM fails',
      effect: 'It is tried again by itself. Nothing is taken away because of it.',
      remedy: 'See the log of its task.',
    },
    30,
  ),
  fromVms(
    'vm-unaccounted',
    'medium',
    {
      title: 'A VM has no sure place on the network',
      effect: 'It stays as it is: a VM is destroyed only when its end is final on the network.',
      remedy: 'Check the RPC addresses and the list of contracts in the configuration.',
    },
    minute,
  ),
  fromVms('vm-of-another-purchase', 'high', {
    title: 'A VM was made for another purchase of the same number',
    effect: 'It is neither started nor given to the new holder.',
    remedy: 'Its holder signs a reinstall; the former data is lost by that.',
  }),
  fromVms(
    'vm-state-unknown',
    'medium',
    {
      title: 'The state of a VM is not known',
      effect: 'Nothing is done with it until the hypervisor tells.',
      remedy: 'Look at the hypervisor.',
    },
    minute,
  ),
  fromVms('address-conflict', 'high', {
    title: 'Two VMs hold the same address',
    effect: 'Only one of them can be reached there. Both keep their disks.',
    remedy: 'Stop one of them and ask its holder to cancel: what is left of the payment goes back.',
  }),
  fromVms('unknown-contract', 'medium', {
    title: 'A VM belongs to a contract that is not configured',
    effect: 'It is never touched: neither started, stopped nor destroyed.',
    remedy: 'Add its contract to the configuration again.',
  }),
  fromVms('destroys-waiting', 'medium', {
    title: 'More VMs ended than may be destroyed in a day',
    effect:
      'They wait for the operator; their disks stay. After a loss of the database all that went before counts as of that day.',
    remedy: 'Check that they really have ended, then allow it.',
  }),
  diskNearlyFull,
  mirrorDegraded,
  templateMissing,
  planCapacity,
  clusterChanged,
  fromHypervisor('vm-lock-stuck', {
    title: 'A VM is locked and nobody works on it',
    effect: 'It can be neither started, stopped nor changed until the lock is gone.',
    remedy: 'Look what left it, then unlock it as root with the command in the detail; Freehold takes no lock away.',
  }),
  fromHypervisor('template-not-on-node', {
    title: 'A node of the cluster has no template',
    effect: 'No VM is made there: what it could hold is not used.',
    remedy: 'Run freehold apply: it brings the template to every node that is up.',
  }),
  fromHypervisor('clone-left-over', {
    title: 'A clone that died half-way is still there',
    effect: 'It takes up an id and perhaps room. The VM itself was made anew under another id.',
    remedy: 'Look at it as root and take it away with the commands in the detail; Freehold has no right to.',
  }),
  singleRpc,
  noIsolation,
  ...fromBrokers(),
  defineIssue<HealthFacts>({
    code: 'certificate-not-renewed',
    severity: 'high',
    title: 'The certificate is not renewed',
    effect: 'The present one is shown until its end. After that browsers refuse the storefront; VMs and guests’ logins go on.',
    remedy: 'See why the authority gives none: usually its way to port 80 of this host is closed, or the name leads elsewhere.',
    visibleAfterSeconds: 0,
    hiddenBy: [],
    check: ({ certificate, now }) =>
      certificate !== undefined && certificate.trouble !== null
        ? [at(certificate.name, `${daysLeft(certificate.until - now)} left. ${certificate.trouble}`)]
        : [],
  }),
  ...fromBackups(),
  defineIssue<HealthFacts>({
    code: 'wasm-down',
    severity: 'high',
    title: 'WASM hosting does not answer',
    effect:
      'Programs are not run, and purchases of kind WASM wait; with their deadline near the money is given back. VMs are not concerned.',
    remedy: 'Look at the log of freehold-wasmd; systemd starts it again by itself.',
    visibleAfterSeconds: 30,
    hiddenBy: [],
    check: ({ wasm }) => (wasm === 'down' ? [at('host', 'freehold-wasmd does not take the table of plans.')] : []),
  }),
]

/** Secrets and what people did stand nowhere else: a host whose backups do not come off is one disk away from locking guests out. */
function fromBackups(): Declaration[] {
  return [
    defineIssue<HealthFacts>({
      code: 'backup-none',
      severity: 'medium',
      title: 'No backup of this host is made',
      effect: 'With its disk the secrets are lost: no guest takes a sign-in by signature before its holder reinstalls it.',
      remedy:
        'Make a recovery key with freehold backup key, write its recipient and a folder into the configuration under backup, then run freehold apply.',
      visibleAfterSeconds: 0,
      hiddenBy: [],
      check: ({ backups }) =>
        backups !== undefined && !backups.sealed ? [at('host', 'Nobody is named who could open a backup.')] : [],
    }),
    defineIssue<HealthFacts>({
      code: 'backup-failed',
      severity: 'medium',
      title: 'The last backup failed',
      effect: 'Former backups are as they were. It is tried again every ten minutes.',
      remedy: 'See the detail: usually the drive is not mounted, or full.',
      visibleAfterSeconds: 0,
      hiddenBy: [],
      check: ({ backups }) => (backups?.sealed === true && backups.failure !== null ? [at('host', backups.failure)] : []),
    }),
    defineIssue<HealthFacts>({
      code: 'backup-old',
      severity: 'high',
      title: 'The newest good backup is too old',
      effect: 'What has changed since would be lost with this machine; VMs and money are not concerned.',
      remedy: 'Look at the page of backups, or run freehold backup make and see what it says.',
      visibleAfterSeconds: 0,
      hiddenBy: ['backup-none'],
      check({ backups, now }) {
        if (backups?.sealed !== true) return []
        const { lastGoodAt, since, maxAgeSeconds } = backups
        if (now - (lastGoodAt ?? since) <= maxAgeSeconds) return []
        return [
          at(
            'host',
            lastGoodAt === null ? 'There is none that was read back.' : `It was made ${daysLeft(now - lastGoodAt)} ago.`,
          ),
        ]
      },
    }),
  ]
}

/** Issues of public IPv6; the client of brokers has the words. */
function fromBrokers(): Declaration[] {
  return Object.entries(brokerIssueTexts).map(([kind, words]) =>
    defineIssue<HealthFacts>({
      code: kind,
      ...words,
      check: ({ brokers = [] }) => brokers.filter((one) => one.kind === kind).map(({ subject, detail }) => at(subject, detail)),
    }),
  )
}

/** Of each open plan of VMs: how many it offers still, and how many fit. */
function roomOf(
  chains: HealthFacts['chains'],
  { capacity, snapshots }: Extract<HealthFacts['hypervisor'], { up: true }>,
): { subject: string; plan: Plan; free: number; room: number }[] {
  return chains.flatMap(({ plans, installation }) =>
    plans
      .filter((p) => p.kind === 'vm' && p.open)
      .map((plan) => {
        const need = needOf(plan, snapshots)
        const fits = Math.min(capacity.diskUnpromisedBytes / need.diskBytes, capacity.memoryUnpromisedMiB / need.memoryMiB)
        const subject = `${installation} plan ${plan.planId}`
        return { subject, plan, free: Math.max(0, plan.capacity - plan.used), room: Math.max(0, Math.floor(fits)) }
      }),
  )
}

function at(subject: string, detail: string): Finding {
  return { subject, detail }
}

function daysLeft(seconds: number): string {
  const days = Math.max(0, Math.floor(seconds / 86_400))
  return `${days} ${days === 1 ? 'day' : 'days'}`
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(0)
}

/** Four decimals are enough to see how long it lasts. */
function ether(wei: bigint): string {
  return (Number(wei / 10n ** 12n) / 1e6).toFixed(4)
}
