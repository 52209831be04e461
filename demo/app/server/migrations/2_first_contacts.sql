-- Up Migration
WITH company AS (
  INSERT INTO companies (name, domain)
  VALUES ('Analytical Engines', 'engines.example'), ('Compiler Works', 'compilers.example')
  RETURNING id, domain
)
INSERT INTO people (name, email, company_id)
SELECT contact.name, contact.local || '@' || company.domain, company.id
FROM company
JOIN (VALUES
  ('Ada Lovelace', 'ada', 'engines.example'),
  ('Charles Babbage', 'charles', 'engines.example'),
  ('Grace Hopper', 'grace', 'compilers.example')
) AS contact (name, local, domain) ON contact.domain = company.domain;
