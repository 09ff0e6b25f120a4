interface CatalogueEntry {
  title: string
  /** What a person can do, unless the place that raises the error knows better. */
  hint: string
  /** HTTP status on the wire. */
  status: number
  retryable: boolean
}

const again = 'Try again in a moment.'

/** Every error that may reach a person. Codes are stable; texts are designed and stand under snapshot. */
export const errorCatalogue = {
  // borders
  'bad-input': {
    title: 'Some fields are not valid',
    hint: 'Correct the fields named below and send it again.',
    status: 400,
    retryable: false,
  },
  'body-too-large': { title: 'The request is too large', hint: 'Send at most 256 KiB.', status: 413, retryable: false },
  'not-found': { title: 'Nothing here', hint: 'Check the address.', status: 404, retryable: false },
  'not-signed-in': {
    title: 'You are not signed in',
    hint: 'Sign in with your wallet and try again.',
    status: 401,
    retryable: false,
  },
  'not-allowed': {
    title: 'This is not yours',
    hint: 'Sign in with the wallet that holds the access pass.',
    status: 403,
    retryable: false,
  },
  'wrong-origin': {
    title: 'This request came from another site',
    hint: 'Open the page at the address of this host.',
    status: 403,
    retryable: false,
  },
  misdirected: {
    title: 'This host answers to another name',
    hint: 'Open the address that the host prints.',
    status: 421,
    retryable: false,
  },
  'too-many-requests': { title: 'Too many requests', hint: 'Wait a little and try again.', status: 429, retryable: true },
  'idempotency-mismatch': {
    title: 'This Idempotency-Key was used for another request',
    hint: 'Use a fresh key.',
    status: 409,
    retryable: false,
  },
  'not-in-this-state': {
    title: 'Not possible in this state',
    hint: 'Look at the present state and choose another action.',
    status: 409,
    retryable: false,
  },
  internal: {
    title: 'Something went wrong on this host',
    hint: 'Try again; if it stays, give the request id to the operator.',
    status: 500,
    retryable: true,
  },
  // configuration and preflight
  'config-invalid': {
    title: 'The configuration is not valid',
    hint: 'Correct the lines named below.',
    status: 400,
    retryable: false,
  },
  'config-unreadable': {
    title: 'The configuration cannot be read',
    hint: 'Check that the file exists and that you may read it.',
    status: 400,
    retryable: false,
  },
  'already-running': {
    title: 'Freehold runs already',
    hint: 'Stop the other one, or start this one with a state folder of its own.',
    status: 409,
    retryable: true,
  },
  'port-in-use': {
    title: 'A port is already in use',
    hint: 'Stop the other program or choose another port.',
    status: 409,
    retryable: true,
  },
  'no-permission': { title: 'A right is missing', hint: 'Run it as a user who may do this.', status: 403, retryable: false },
  // the root helper
  'host-helper-down': {
    title: 'The helper for taps and firewall does not answer',
    hint: 'Look at its log: journalctl -u freehold-hostd.',
    status: 503,
    retryable: true,
  },
  'wasm-down': {
    title: 'WASM hosting does not answer',
    hint: 'Try again in a moment; the operator finds the reason in the log of freehold-wasmd.',
    status: 503,
    retryable: true,
  },
  'wasm-refused': {
    title: 'The program was not run',
    hint: 'See what is named and try again.',
    status: 409,
    retryable: false,
  },
  'wasm-failed': {
    title: 'The program ran and failed',
    hint: 'Correct the program; the receipt says what it cost.',
    status: 422,
    retryable: false,
  },
  'wasm-untrusted': {
    title: 'The answer does not hold',
    hint: 'Believe nothing of it: ask the operator, and use another host if it stays.',
    status: 502,
    retryable: false,
  },
  'host-refused': {
    title: 'The host does not do this',
    hint: 'Correct what is named and try again.',
    status: 409,
    retryable: false,
  },
  'network-taken-back': {
    title: 'The change of the network was taken back',
    hint: 'Check address, prefix length and way out, and that the cable leads there; then try again.',
    status: 409,
    retryable: true,
  },
  'certificate-refused': {
    title: 'No certificate was given',
    hint: 'Correct what is named; the present certificate stays meanwhile.',
    status: 502,
    retryable: true,
  },
  'tool-missing': { title: 'A program is missing', hint: 'Install it and try again.', status: 500, retryable: false },
  'storage-full': {
    title: 'The storage is full',
    hint: 'Free space on it or add another one, then try again.',
    status: 507,
    retryable: true,
  },
  'process-failed': { title: 'A program failed', hint: 'See the log of the host.', status: 500, retryable: true },
  // store
  'store-damaged': {
    title: 'The database is damaged',
    hint: 'Stop the daemon, move the file away and run freehold rebuild: chain and hypervisor tell the rest.',
    status: 500,
    retryable: false,
  },
  'store-mismatch': {
    title: 'The database does not fit this version',
    hint: 'Install the version that wrote it, or a later one.',
    status: 500,
    retryable: false,
  },
  // backups
  'backup-not-set-up': {
    title: 'No backup can be made',
    hint: 'Make a recovery key with freehold backup key, write its recipient and a folder into the configuration under backup, then run freehold apply.',
    status: 409,
    retryable: false,
  },
  'backup-folder-missing': {
    title: 'The folder for backups is not there',
    hint: 'Mount it again; nothing is written in its place. The backups in it are as they were.',
    status: 503,
    retryable: true,
  },
  'backup-unreadable': {
    title: 'This backup cannot be read',
    hint: 'Take another backup, or another copy of this one. Nothing was changed.',
    status: 422,
    retryable: false,
  },
  'backup-key-wrong': {
    title: 'This key does not open the backup',
    hint: 'Take the recovery key or passphrase that was in use when the backup was made. Nothing was changed.',
    status: 422,
    retryable: false,
  },
  'backup-newer': {
    title: 'This backup was made by a newer version',
    hint: 'Install that version of Freehold or a later one, then restore. Nothing was changed.',
    status: 409,
    retryable: false,
  },
  'backup-foreign': {
    title: 'This backup is of another installation',
    hint: 'Take a backup of this installation, or correct the contracts in the answers. Nothing was changed.',
    status: 409,
    retryable: false,
  },
  // chain
  'rpc-unreachable': {
    title: 'Could not reach the network',
    hint: 'Check the RPC address and that the node is up.',
    status: 503,
    retryable: true,
  },
  'rpc-refused': { title: 'The network node refused the request', hint: again, status: 503, retryable: true },
  'chain-stale': {
    title: 'The newest block is too old',
    hint: 'Wait until the network node has caught up.',
    status: 503,
    retryable: true,
  },
  'chain-inconsistent': {
    title: 'The network nodes disagree',
    hint: 'Wait until they agree, or check their addresses.',
    status: 503,
    retryable: true,
  },
  'wrong-chain': { title: 'This is another network', hint: 'Check chain id and RPC address.', status: 409, retryable: false },
  'contract-missing': {
    title: 'There is no such contract here',
    hint: 'Check contract address and network.',
    status: 409,
    retryable: false,
  },
  'no-funds': {
    title: 'The key has no funds for network fees',
    hint: 'Send some funds to its address.',
    status: 409,
    retryable: true,
  },
  'fee-cap': {
    title: 'The network fee is above the limit',
    hint: 'Wait for lower fees or raise the limit.',
    status: 503,
    retryable: true,
  },
  'transaction-failed': {
    title: 'The transaction failed',
    hint: 'Look at its reason and try again.',
    status: 409,
    retryable: true,
  },
  'not-provisioner': {
    title: 'This host does not hold the provisioner key',
    hint: 'Set the provisioner on the contract to this host, or stop this daemon.',
    status: 409,
    retryable: false,
  },
  // hypervisor
  'hypervisor-down': {
    title: 'The hypervisor does not answer',
    hint: 'Look at the hypervisor; VMs keep running meanwhile.',
    status: 503,
    retryable: true,
  },
  'vm-unknown': { title: 'There is no such VM', hint: 'Check the VM id.', status: 404, retryable: false },
  'vm-foreign': {
    title: 'This VM is not ours',
    hint: 'Freehold never touches VMs without its mark.',
    status: 409,
    retryable: false,
  },
  'template-missing': { title: 'The VM template is missing', hint: 'Build the template again.', status: 503, retryable: true },
  'template-damaged': { title: 'The VM template is damaged', hint: 'Build the template again.', status: 409, retryable: false },
  'pool-not-mounted': {
    title: 'The storage of the VMs is not there',
    hint: 'Mount it again; nothing was taken away meanwhile.',
    status: 503,
    retryable: true,
  },
  'capacity-exceeded': {
    title: 'The host has no room for this VM',
    hint: 'Wait until another one ends, or free space.',
    status: 507,
    retryable: true,
  },
  'agent-unreachable': {
    title: 'The guest agent does not answer',
    hint: 'Wait until the VM has started.',
    status: 503,
    retryable: true,
  },
  'not-supported': {
    title: 'This is not possible here',
    hint: 'See the capabilities of the hypervisor.',
    status: 409,
    retryable: false,
  },
  'certificate-mismatch': {
    title: 'The certificate of the server is not the expected one',
    hint: 'Compare it on the server itself before you set a new pin.',
    status: 502,
    retryable: false,
  },
  'token-refused': {
    title: 'The server refused the token',
    hint: 'Look whether the token exists, has not expired and its user is enabled; else enrol again with freehold proxmox enrol.',
    status: 502,
    retryable: false,
  },
  'privilege-missing': {
    title: 'The token lacks a privilege',
    hint: 'Run freehold proxmox verify to see what is missing, and freehold proxmox enrol to set it right.',
    status: 502,
    retryable: false,
  },
  'outcome-unknown': {
    title: 'It is not known yet what became of it',
    hint: 'Freehold looks again by itself; nothing is done twice.',
    status: 503,
    retryable: true,
  },
  'vm-locked': {
    title: 'The VM is locked by the hypervisor',
    hint: 'Wait until the work that holds the lock has ended.',
    status: 409,
    retryable: true,
  },
  'bridge-missing': {
    title: 'The bridge of the guests is missing',
    hint: 'Make the bridge on every node, or name another one in the configuration.',
    status: 409,
    retryable: true,
  },
  'firewall-off': {
    title: 'The firewall that keeps VMs apart is off',
    hint: 'Enrol with freehold proxmox enrol and a privileged token: it shows what it does, keeps your own access and switches the datacenter firewall on.',
    status: 409,
    retryable: true,
  },
  'storage-unsuitable': {
    title: 'The storage does not take this',
    hint: 'Add the missing type of content to the storage, or name another one in the configuration.',
    status: 409,
    retryable: true,
  },
  // steps and tasks
  'task-running': {
    title: 'Work on this VM is already going on',
    hint: 'Wait until it has ended.',
    status: 409,
    retryable: true,
  },
  'step-failed': { title: 'A step failed', hint: 'See its cause, then retry.', status: 500, retryable: true },
  'timed-out': { title: 'It took too long', hint: again, status: 504, retryable: true },
  // sign-in
  'request-expired': { title: 'This sign-in has expired', hint: 'Begin again in the terminal.', status: 410, retryable: false },
  'request-used': { title: 'This sign-in was already used', hint: 'Begin again in the terminal.', status: 410, retryable: false },
  'signature-invalid': {
    title: 'The signature does not fit',
    hint: 'Sign the text exactly as shown, with the connected wallet.',
    status: 400,
    retryable: false,
  },
  'wrong-wallet': {
    title: 'Another wallet holds the access pass',
    hint: 'Connect the wallet that holds it.',
    status: 403,
    retryable: false,
  },
  'pass-not-confirmed': {
    title: 'The transfer to this wallet is not confirmed yet',
    hint: 'Wait for the confirmations and begin again.',
    status: 403,
    retryable: true,
  },
  'not-entitled': { title: 'The subscription is not active', hint: 'Renew it, then begin again.', status: 403, retryable: false },
  'reply-wrong': {
    title: 'The reply code is not right',
    hint: 'Copy it from the page that signed.',
    status: 403,
    retryable: false,
  },
  'already-reported': {
    title: 'This VM has already reported',
    hint: 'Reinstall it if its host keys were lost.',
    status: 409,
    retryable: false,
  },
  // the IPv6 broker
  'broker-data-path-failed': {
    title: "The broker's network could not be set",
    hint: "Look at the broker's log; it tries again by itself.",
    status: 503,
    retryable: true,
  },
  'broker-not-admitted': {
    title: 'This broker does not serve this installation',
    hint: 'Ask its operator to list the installation, or pay its fee through the registry.',
    status: 403,
    retryable: false,
  },
  'broker-signature-invalid': {
    title: 'The request is not signed by this installation',
    hint: 'Sign it with the provisioner key of the contract.',
    status: 403,
    retryable: false,
  },
  'broker-clock-off': {
    title: 'The clocks of host and broker differ',
    hint: 'Set the clock of the machine that is wrong and ask again.',
    status: 400,
    retryable: false,
  },
  'broker-replayed': {
    title: 'This request was made before',
    hint: 'Ask again with a higher sequence number.',
    status: 409,
    retryable: false,
  },
  'broker-key-taken': {
    title: 'This WireGuard key belongs to another host',
    hint: 'Make a new key and ask again.',
    status: 409,
    retryable: false,
  },
  'broker-prefix-taken': {
    title: 'This prefix belongs to another host',
    hint: 'Ask again without naming a prefix.',
    status: 409,
    retryable: false,
  },
  'broker-pool-full': { title: 'The broker has no free prefix', hint: 'Choose another broker.', status: 503, retryable: true },
  'broker-no-lease': {
    title: 'There is no lease for this installation',
    hint: 'Request one first.',
    status: 404,
    retryable: false,
  },
  'broker-other-size': {
    title: 'The lease has another size',
    hint: 'Release it, then request the other size.',
    status: 409,
    retryable: false,
  },
  'broker-too-far-ahead': {
    title: 'The lease is paid for long enough',
    hint: 'Renew it nearer to its end.',
    status: 409,
    retryable: false,
  },
  'broker-name-refused': { title: 'This name cannot be used', hint: 'Choose another name.', status: 409, retryable: false },
  'broker-dns-failed': {
    title: 'The name server did not take the change',
    hint: "Look at the broker's log; it tries again by itself.",
    status: 503,
    retryable: true,
  },
  'broker-unreadable': {
    title: 'The request cannot be read',
    hint: 'Encrypt it to the key that the broker shows now.',
    status: 400,
    retryable: false,
  },
  'broker-offer-refused': {
    title: "The broker's answer cannot be used",
    hint: 'Choose another broker, or tell its operator what was seen. Nothing was changed.',
    status: 422,
    retryable: false,
  },
} as const satisfies Record<string, CatalogueEntry>

/** Stable, unique, kebab-case. */
export type ErrorCode = keyof typeof errorCatalogue
