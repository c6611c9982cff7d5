DROP TABLE home_assistant_statistics_imports;
DROP TABLE home_assistant_statistics;
DROP TABLE home_assistant_units;
DROP TABLE home_assistant_imports;
