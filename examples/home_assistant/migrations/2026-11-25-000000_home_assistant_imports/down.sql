DROP TABLE home_assistant_imports;
