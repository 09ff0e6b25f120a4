-- CreateTable
CREATE TABLE "chain_views" (
    "installation" TEXT NOT NULL,
    "depth" TEXT NOT NULL,
    "contract" TEXT NOT NULL,
    "blockNumber" BIGINT NOT NULL,
    "blockHash" TEXT NOT NULL,
    "blockTimestamp" BIGINT NOT NULL,
    "nextTokenId" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "treasury" TEXT NOT NULL,
    "provisioner" TEXT NOT NULL,
    "operator" TEXT NOT NULL,
    "buyingPaused" BOOLEAN NOT NULL,
    "plans" TEXT NOT NULL,

    PRIMARY KEY ("installation", "depth")
);

-- CreateTable
CREATE TABLE "chain_subscriptions" (
    "installation" TEXT NOT NULL,
    "depth" TEXT NOT NULL,
    "tokenId" TEXT NOT NULL,
    "data" TEXT NOT NULL,

    PRIMARY KEY ("installation", "depth", "tokenId")
);

-- CreateTable
CREATE TABLE "vms" (
    "installation" TEXT NOT NULL,
    "tokenId" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "planId" INTEGER NOT NULL,
    "vcpus" INTEGER NOT NULL,
    "memoryMiB" INTEGER NOT NULL,
    "diskGiB" INTEGER NOT NULL,
    "ipv4" TEXT,
    "ipv6" TEXT,
    "sshPort" INTEGER,
    "mac" TEXT NOT NULL,
    "template" TEXT NOT NULL,
    "buyer" TEXT NOT NULL,
    "boughtBlock" BIGINT NOT NULL,
    "hostKeyFingerprint" TEXT,
    "hostKeyPublic" TEXT,
    "secretUsedAt" BIGINT,
    "reportedAt" BIGINT,
    "activateIntentAt" BIGINT,
    "activatedSeenAt" BIGINT,
    "graceOverSeenSince" BIGINT,
    "destroyedAt" BIGINT,
    "createdAt" BIGINT NOT NULL,

    PRIMARY KEY ("installation", "tokenId")
);

-- CreateTable
CREATE TABLE "address_leases" (
    "kind" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "at" BIGINT NOT NULL,

    PRIMARY KEY ("kind", "value")
);

-- CreateTable
CREATE TABLE "tasks" (
    "seq" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "taskId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "steps" TEXT NOT NULL,
    "error" TEXT,
    "attempt" INTEGER NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "endedAt" BIGINT
);

-- CreateTable
CREATE TABLE "task_lines" (
    "seq" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "taskId" TEXT NOT NULL,
    "at" BIGINT NOT NULL,
    "line" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "transactions" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "account" TEXT NOT NULL,
    "installation" TEXT NOT NULL,
    "verb" TEXT NOT NULL,
    "tokenId" TEXT NOT NULL,
    "nonce" INTEGER,
    "forms" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "feeSpent" TEXT NOT NULL,
    "reason" TEXT,
    "createdAt" BIGINT NOT NULL,
    "sentAt" BIGINT,
    "minedBlock" BIGINT,
    "minedHash" TEXT
);

-- CreateTable
CREATE TABLE "destroys" (
    "seq" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "mark" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "sessions" (
    "idHash" TEXT NOT NULL PRIMARY KEY,
    "publicId" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "revokedAt" BIGINT
);

-- CreateTable
CREATE TABLE "rate_limits" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "windowStart" BIGINT NOT NULL,
    "count" INTEGER NOT NULL
);

-- CreateTable
CREATE TABLE "login_outcomes" (
    "seq" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "requestId" TEXT NOT NULL,
    "act" TEXT NOT NULL,
    "vmId" TEXT,
    "user" TEXT,
    "source" TEXT NOT NULL,
    "signer" TEXT,
    "outcome" TEXT NOT NULL,
    "reason" TEXT,
    "at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "audit" (
    "seq" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "who" TEXT NOT NULL,
    "what" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "result" TEXT NOT NULL,
    "transactionHash" TEXT,
    "at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "idempotent_answers" (
    "key" TEXT NOT NULL,
    "who" TEXT NOT NULL,
    "route" TEXT NOT NULL,
    "bodyHash" TEXT NOT NULL,
    "status" INTEGER,
    "response" TEXT,
    "at" BIGINT NOT NULL,

    PRIMARY KEY ("who", "key")
);

-- CreateTable
CREATE TABLE "issues" (
    "code" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "detail" TEXT NOT NULL,
    "since" BIGINT NOT NULL,
    "acknowledged" BOOLEAN NOT NULL DEFAULT false,

    PRIMARY KEY ("code", "subject")
);

-- CreateTable
CREATE TABLE "chain_events" (
    "installation" TEXT NOT NULL,
    "blockNumber" BIGINT NOT NULL,
    "logIndex" INTEGER NOT NULL,
    "blockHash" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "tokenId" TEXT,
    "args" TEXT NOT NULL,
    "transactionHash" TEXT NOT NULL,

    PRIMARY KEY ("installation", "blockNumber", "logIndex")
);

-- CreateTable
CREATE TABLE "settings" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "address_leases_kind_owner_key" ON "address_leases"("kind", "owner");

-- CreateIndex
CREATE UNIQUE INDEX "tasks_taskId_key" ON "tasks"("taskId");

-- CreateIndex
CREATE INDEX "tasks_state_idx" ON "tasks"("state");

-- CreateIndex
CREATE INDEX "tasks_subject_seq_idx" ON "tasks"("subject", "seq");

-- CreateIndex
CREATE INDEX "task_lines_taskId_seq_idx" ON "task_lines"("taskId", "seq");

-- CreateIndex
CREATE INDEX "transactions_state_idx" ON "transactions"("state");

-- CreateIndex
CREATE INDEX "transactions_account_installation_verb_tokenId_idx" ON "transactions"("account", "installation", "verb", "tokenId");

-- CreateIndex
CREATE INDEX "transactions_account_nonce_idx" ON "transactions"("account", "nonce");

-- CreateIndex
CREATE UNIQUE INDEX "destroys_mark_key" ON "destroys"("mark");

-- CreateIndex
CREATE INDEX "destroys_at_idx" ON "destroys"("at");

-- CreateIndex
CREATE UNIQUE INDEX "sessions_publicId_key" ON "sessions"("publicId");

-- CreateIndex
CREATE INDEX "sessions_address_idx" ON "sessions"("address");

-- CreateIndex
CREATE UNIQUE INDEX "login_outcomes_requestId_key" ON "login_outcomes"("requestId");

-- CreateIndex
CREATE INDEX "login_outcomes_vmId_seq_idx" ON "login_outcomes"("vmId", "seq");

-- CreateIndex
CREATE INDEX "audit_target_seq_idx" ON "audit"("target", "seq");

-- CreateIndex
CREATE INDEX "idempotent_answers_at_idx" ON "idempotent_answers"("at");

-- CreateIndex
CREATE INDEX "chain_events_transactionHash_idx" ON "chain_events"("transactionHash");

-- CreateIndex
CREATE INDEX "chain_events_installation_tokenId_idx" ON "chain_events"("installation", "tokenId");
