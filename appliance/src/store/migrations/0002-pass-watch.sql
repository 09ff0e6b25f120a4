-- CreateTable
CREATE TABLE "pass_watch" (
    "installation" TEXT NOT NULL,
    "tokenId" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "holder" TEXT NOT NULL,
    "former" TEXT,
    "letIn" TEXT,

    PRIMARY KEY ("installation", "tokenId")
);
