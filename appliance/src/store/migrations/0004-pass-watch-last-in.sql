-- AlterTable
ALTER TABLE "pass_watch" ADD COLUMN "lastIn" TEXT;
