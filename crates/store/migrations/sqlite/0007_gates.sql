-- Gates that are not issuers. A file has no users, so there is no role to make: whoever may read the file may read all of it.
SELECT 1;
