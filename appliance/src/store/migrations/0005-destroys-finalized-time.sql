-- AlterTable
ALTER TABLE "destroys" ADD COLUMN "finalizedTime" BIGINT NOT NULL DEFAULT 0;
