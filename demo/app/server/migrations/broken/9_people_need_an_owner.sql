-- Up Migration
-- DEMO_BREAK=migration: fits an empty table and fails on one with rows, as real migrations do.
ALTER TABLE people ADD COLUMN owner_id uuid NOT NULL;
