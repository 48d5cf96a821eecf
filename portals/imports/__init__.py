"""Many customers named in one file by an agency (issue 6 point 7): pre-filled cases and invitations, never enrolments.

A file is taken whole into parts (`uploading`), looked at line by line (`checking`), and on somebody's word made cases
of (`casing`), chunk by chunk by a worker (`working`). A manager releases invitations; they go out day by day
(`inviting`). What is no longer needed goes (`keeping`). Source: docs/decisions/bulk-import.md.
"""
